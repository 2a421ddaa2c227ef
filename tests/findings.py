"""The findings of a check, as tests compare them."""


def kinds(check):
    """The kind of each finding, by its tensor."""
    return {finding.tensor: finding.kind for finding in check.findings}
