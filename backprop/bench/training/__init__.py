"""Training under the harness: the runs of `backprop train`, their reports, and the comparison by learning."""
