"""One test for many small cases: pytest takes longer for a test than most of them do."""

import functools
import inspect
import itertools


def over(**values):
    """Call the test with every combination of the values, by the names of its arguments; a failure names its case.

    What is parametrized beside it stays a test of its own.
    """

    def decorate(test):
        @functools.wraps(test)
        def every_case(**given):
            for chosen in itertools.product(*values.values()):
                case = dict(zip(values, chosen, strict=True))
                try:
                    test(**given, **case)
                except BaseException as failure:
                    failure.add_note(f"The case: {case}")
                    raise

        signature = inspect.signature(test)
        kept = [parameter for name, parameter in signature.parameters.items() if name not in values]
        every_case.__signature__ = signature.replace(parameters=kept)
        return every_case

    return decorate
