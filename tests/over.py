"""Large tables of cases: many small ones in one test, which pytest takes longer for than most of them do, and a part
of the costly ones in the quick tier."""

import functools
import inspect
import itertools

import pytest


def over(**values):
    """Call the test with every combination of the values, by the names of its arguments; a failure names its case.

    What is parametrized beside it stays a test of its own, and values may be a function of it, by its names. A case
    that is skipped leaves the others; where all are, the test is.
    """

    def decorate(test):
        @functools.wraps(test)
        def every_case(**given):
            all_values = [_called(each, given) if callable(each) else each for each in values.values()]
            cases = [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*all_values)]
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


def part(cases, every):
    """Parameters of which the quick tier has one in `every`, the first among them; the rest is the tier `sweep`."""
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)), marks=[pytest.mark.sweep] * (k % every > 0)
        )
        for k, case in enumerate(cases)
    ]


def _called(function, given):
    return function(*(given[name] for name in inspect.signature(function).parameters))
