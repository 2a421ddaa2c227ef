"""Places: where the groups of a suite are measured."""
