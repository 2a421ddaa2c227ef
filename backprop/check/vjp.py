"""Checking a backward pass: `backprop.check_vjp`, the vector-Jacobian product of any function to arrays.

    L(x) = ⟨u, forward(x)⟩,    dL/dx = backward(u, …)          u: an upstream gradient drawn at random

So a backward pass is checked as the gradient of a function to a number. A sum of the outputs, whose upstream
gradient is 1 everywhere, would hide a backward pass that uses its upstream gradient wrongly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from backprop.check.answers import read_answer
from backprop.check.evidence import gather
from backprop.check.forms import Form, choose, forms_of_backward, whole
from backprop.check.leaves import is_none
from backprop.check.lines.find import with_lines
from backprop.check.lines.program import Program
from backprop.check.lines.steps import search
from backprop.check.look import look_closer
from backprop.check.numeric.directions import drawn
from backprop.check.oracle import MAX_CALLS, Budget, FunctionOracle
from backprop.check.points import Fixed, Structure, nothing_fixed
from backprop.check.product import (
    Forward,
    Product,
    forward_pass,
    outputs_of,
    pull_back_in_jax,
    pull_back_in_torch,
    recorded_by_torch,
    upstream_like,
)
from backprop.check.report import report
from backprop.check.result import GradientCheck
from backprop.check.settings import settings
from backprop.check.trees import ends_of
from backprop.check.trials import with_trials
from backprop.check.upstream import look_at_upstream
from backprop.check.words import same_name
from backprop.errors import CheckError


def check_vjp(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None = None,
    inputs: Any = None,
    *,
    cache: bool | None = None,
    rng: np.random.Generator | int | None = None,
    max_calls: int = MAX_CALLS,
    batch_size: int | None = None,
    rtol: float | None = None,
) -> GradientCheck:
    """Whether `backward` is the vector-Jacobian product of `forward` at `inputs`, and what is wrong where it is not.

    forward: from the inputs to y, to several outputs (y, z), or to (y, cache). Outputs that are None or hold whole
    numbers have no upstream gradient.
    backward: backward(upstream, cache), backward(upstream, *inputs) or backward(upstream). The check tries which call
    works, and says so in the result. It returns one gradient for each input, in order or by name; the gradients by
    the parts of a dict may stand beside the others. An input without a gradient has None. Without `backward`, the
    derivative that PyTorch or JAX takes of `forward` is checked: of an autograd.Function's apply, an nn.Module with
    its parameters, a custom_vjp or custom_jvp, a compiled function.
    inputs: the arguments of `forward`, a tuple, a list, or a dict by name: NumPy arrays, PyTorch tensors, JAX arrays,
    numbers, and containers of these. They are handed on as what they are. Whole numbers, truth values, strings and
    None have no gradient.
    cache: whether the last thing that `forward` returns is a cache, if it could also be an output.
    rng, max_calls, batch_size, rtol: as for `check_gradient`.

    The upstream gradient u has the shape of the outputs and is drawn at random, several times. A backward pass is
    right where it is the gradient of ⟨u, forward(x)⟩, linear in u, and leaves u as it is. Of a wrong one, the lines
    of its code that are wrong are looked for with the calls that are left, and told in `lines`.

    Raises `CheckError` where there is nothing to compare, or where `backward` works in two ways that differ;
    `OptionError` as `check_gradient` does. What the functions raise at the inputs is passed on.

        def forward(x, W): return x @ W                            # (n, i), (i, o) -> (n, o)
        def backward(dy, x, W): return dy @ W.T, x.T @ dy          # (n, o) -> (n, i), (i, o)
        backprop.check_vjp(forward, backward, (x, W))
    """
    rng = settings(rng, max_calls, rtol, batch_size, forward=forward, backward=backward)
    with np.errstate(all="ignore"):
        product = _product(forward, backward, inputs, cache, rng)
        oracle = FunctionOracle(product.value, product.structure, product.point, Budget(max_calls))
        seen = gather(oracle, product.claim, rng, batch_size=batch_size, rtol=rtol)
        if any(finding.kind == "not-repeatable" for finding in seen.own.findings):
            seen.asked = replace(seen.asked, findings=())  # it is the forward pass that is random
        look_at_upstream(seen, product, rng, rtol)
        seen.answer.notes[:0] = [product.note, product.drawn_for]
        check = replace(report(seen, partial(look_closer, seen, product)), subject="backward pass")
        check = with_trials(check, seen, [forward] if backward is None else [backward, forward])
        if backward is None:  # it is not written by hand
            return check
        by_hand = backward
        program = Program(product.both, product.structure, product.point, (), oracle.budget)
        return with_lines(check, lambda: search(program, [by_hand], [forward]))


def _product(
    forward: Any, backward: Any, inputs: Any, cache: bool | None, rng: np.random.Generator
) -> Product:
    """Everything that the inputs and one call of forward tell."""
    is_number = _is_python_number(inputs)  # has no gradient, unless the first answer has one for it
    passed = forward_pass(forward, inputs, backward, is_number)
    if passed.autodiff is not None:
        return _by_autodiff(passed, rng)
    form, claimed = _form_of(backward, passed, cache)
    moved, still = _told_by(claimed, passed)
    if moved or still:

        def told(path: str, value: Any) -> bool:
            is_still = any(path == name or path.startswith((f"{name}.", f"{name}[")) for name in still)
            return is_still or (is_number(path, value) and path not in moved)

        passed = forward_pass(forward, inputs, backward, told)
        form, _ = _form_of(backward, passed, cache)
    return _by_hand(backward, passed, form, rng)


def _form_of(backward: Any, passed: Forward, cache: bool | None) -> tuple[Form, dict[str, Any]]:
    """The way to call backward, and the gradients that it gives then for some upstream gradient."""
    run, structure, x = passed.run, passed.structure, passed.point
    forms = forms_of_backward(run(structure.build(x)), list(passed.inputs), cache)

    def arguments(form: Form, factor: float) -> Sequence[Any]:
        point = structure.build(x)
        back = run(point)
        outputs = form.outputs(back)
        output = outputs_of(outputs)
        vector = factor * drawn(output.size, np.random.default_rng(0))
        return form.arguments(upstream_like(outputs, output.views(vector)), back, list(point.values()))

    def read(answer: Any) -> tuple[Any, bool]:
        tensors = _by_input(answer, passed.inputs, structure)
        seen = read_answer(tensors, structure)
        return tensors, not any(each.kind in ("wrong-shape", "wrong-name") for each in seen.findings)

    keyword = "cache=True or cache=False" if cache is None else None
    return choose(forms, backward, arguments, read, "backward", keyword)


def _by_hand(backward: Any, passed: Forward, form: Form, rng: np.random.Generator) -> Product:
    """The product with a backward pass that is called in this form."""
    run, structure, x = passed.run, passed.structure, passed.point
    output = outputs_of(form.outputs(run(structure.build(x))))

    def pull(point: dict[str, Any], upstream: Callable[[Any], Any]) -> Any:
        back = run(point)
        answer = backward(*form.arguments(upstream(back), back, list(point.values())))
        return _by_input(answer, passed.inputs, structure)

    rest = " The outputs after these have no upstream gradient." if form.is_last else ""
    note = f"{form.words} is called.{rest}"
    return Product(run, form.outputs, pull, structure, x, output, drawn(output.size, rng), note)


def _by_input(answer: Any, inputs: dict[str, Any], structure: Structure) -> dict[str, Any]:
    """The gradients by the names of the inputs. The answer has one for each input, or for each that has a gradient.

    An input that is a dict of settings has none. Raises `CheckError` for any other number of gradients.
    """
    names = list(inputs)
    if answer is None:
        raise CheckError(f"backward gave None; expected one gradient for each of {', '.join(names)}.")
    moving = [name for name in names if name in structure.moving]
    lone = names[0] if len(names) == 1 else moving[0] if len(moving) == 1 else None
    is_container = lone is not None and isinstance(inputs[lone], list | tuple | dict)
    if isinstance(answer, Mapping) and not (is_container and lone not in answer):
        return _in_containers(dict(answer), inputs)
    is_wrapped = is_container and isinstance(answer, tuple) and len(answer) == 1 != len(inputs[str(lone)])
    is_several = isinstance(answer, list | tuple) and (not is_container or is_wrapped)
    if lone is not None and not is_several:
        return {lone: answer}
    given = list(answer) if isinstance(answer, list | tuple) else [answer]
    for wanted in (names, moving, [name for name in moving if not isinstance(inputs[name], dict)]):
        if len(given) == len(wanted):
            return dict(zip(wanted, given, strict=True))
    got = f"{len(given)} gradient{'s' * (len(given) != 1)}"
    raise CheckError(f"backward gave {got}; expected one for each of {', '.join(names)}.")


def _in_containers(answer: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """The gradients by name; for an input that is a dict, those by its parts, such as dW, are put into a dict."""
    for name, value in inputs.items():
        if not isinstance(value, dict) or same_name([name], list(answer)) or name in answer:
            continue
        parts = same_name(list(value), [key for key in answer if key not in inputs])
        parts |= {key: key for key in value if key in answer and key not in inputs}
        if parts:
            inner = {key: answer.pop(parts[key], None) if key in parts else None for key in value}
            answer = {**answer, name: inner}
    return answer


def _is_python_number(inputs: Any) -> Fixed:
    """Whether a number is one of Python's, beside arrays: a setting, such as ε, most of the time."""
    if not any(hasattr(end, "dtype") for _, end in ends_of(inputs)):
        return nothing_fixed
    return lambda path, value: isinstance(value, float | complex) and not hasattr(value, "dtype")


def _told_by(claimed: dict[str, Any], passed: Forward) -> tuple[set[str], set[str]]:
    """The numbers that move after all, as the answer has gradients of them, and dicts that have none in it."""
    given = {path for path, end in ends_of(claimed) if not is_none(end)}
    moved = {path for path in passed.structure.constants if path in given}
    constants = passed.structure.constants.items()
    whole = {path for path, value in constants if not isinstance(value, float | complex)}
    dicts = {name for name in passed.structure.moving if isinstance(passed.inputs[name], dict)}
    still = dicts - set(claimed) if len(claimed) < len(passed.inputs) else set()
    return moved - whole, still


def _by_autodiff(passed: Forward, rng: np.random.Generator) -> Product:
    """The derivative that PyTorch or JAX takes of forward."""
    run, structure, x = passed.run, passed.structure, passed.point
    point = structure.build(x)
    output = outputs_of(run(point))
    upstream = drawn(output.size, rng)
    if passed.autodiff == "torch":
        back = recorded_by_torch(lambda: run(point), structure.ends(point))
        for name, end in zip(output.names, output.ends(back), strict=True):
            output.views(upstream)[name][...] *= end.requires_grad
        if not np.any(upstream):
            raise CheckError("PyTorch records no gradient of any output of forward; expected one.")

    def pull(point: dict[str, Any], make: Callable[[Any], Any]) -> Any:
        tensors = structure.ends(point)
        if passed.autodiff == "jax":
            grads = pull_back_in_jax(lambda moved: run(structure.with_ends(point, moved)), make, tensors)
        else:
            back = recorded_by_torch(lambda: run(point), tensors)
            grads = pull_back_in_torch(output.ends(back), output.ends(make(back)), tensors)
        return structure.assemble(grads, lambda constant: None)

    return Product(run, whole, pull, structure, x, output, upstream, passed.by_library)
