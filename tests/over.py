"""One test for many small cases: pytest takes longer for a test than most of them do."""

import functools
import inspect
import itertools

import pytest


def over(**values):
    """Call the test with every combination of the values, by the names of its arguments; a failure names its case.

    What is parametrized beside it stays a test of its own. A case that is skipped leaves the others; where all are,
    the test is.
    """

    def decorate(test):
        @functools.wraps(test)
        def every_case(**given):
            cases = [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]
            skipped = []
            for case in cases:
                try:
                    test(**given, **case)
                except pytest.skip.Exception as reason:
                    skipped.append(str(reason))
                except BaseException as failure:
                    failure.add_note(f"The case: {case}")
                    raise
            if len(skipped) == len(cases):
                pytest.skip(skipped[0] if skipped else "there is no case")

        signature = inspect.signature(test)
        kept = [parameter for name, parameter in signature.parameters.items() if name not in values]
        every_case.__signature__ = signature.replace(parameters=kept)
        return every_case

    return decorate
