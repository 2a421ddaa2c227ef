"""Checking a pushforward: `backprop.check_jvp`, the Jacobian-vector product of any function to arrays.

    y(t) = forward(x + t v),    dy/dt = pushforward(x, v) at t = 0          v: a tangent drawn at random

So a pushforward is checked as the Jacobian of a function of a few numbers t, one for each input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backprop.arrays import Array, DType
from backprop.check.evidence import Evidence, gather
from backprop.check.forms import Form, choose, forms_of_pushforward
from backprop.check.jacobians import Combinations
from backprop.check.kinds import found
from backprop.check.leaves import SINGLE, to_numpy
from backprop.check.lines import Lines
from backprop.check.lines.find import with_lines
from backprop.check.numeric.directions import drawn, scales
from backprop.check.numeric.noise import relative_tolerance
from backprop.check.oracle import MAX_CALLS, Budget, FunctionOracle
from backprop.check.points import Structure, structure_of
from backprop.check.product import (
    Forward,
    as_upstream,
    forward_pass,
    outputs_of,
    push_forward_in_jax,
    push_forward_in_torch,
)
from backprop.check.report import report
from backprop.check.result import GradientCheck
from backprop.check.settings import settings
from backprop.check.trees import Parts
from backprop.check.upstream import MOST_BLURRED
from backprop.errors import CheckError

_MOST = 256
"""Entries of the outputs that are compared one by one; of more, random combinations are."""


def check_jvp(
    forward: Callable[..., Any],
    pushforward: Callable[..., Any] | None = None,
    inputs: Any = None,
    *,
    tangents_first: bool | None = None,
    rng: np.random.Generator | int | None = None,
    max_calls: int = MAX_CALLS,
    rtol: float | None = None,
) -> GradientCheck:
    """Whether `pushforward` is the Jacobian-vector product of `forward` at `inputs`, and what is wrong with it.

    forward: from the inputs to y, or to several outputs.
    pushforward: pushforward(inputs, tangents) with two tuples, as JAX's rules have it, pushforward(*inputs,
    *tangents), or pushforward(*tangents, *inputs), to the tangent of the outputs, or to outputs and tangent.
    Which of these is meant is told by what works, and said in the result. Without `pushforward` the forward mode of
    PyTorch or JAX is checked: the jvp of an autograd.Function, or a custom_jvp.
    tangents_first: whether the tangents come before the inputs, where both could be meant.
    inputs, rng, max_calls, rtol: as for `check_vjp`.

    The result has a verdict for each input: along a tangent v of that input alone, drawn at random, the derivative of
    forward(x + t v) by t is compared in every entry of the outputs. All inputs together tell whether `pushforward` is
    linear in its tangents.

    Raises `CheckError` where there is nothing to compare, or where `pushforward` works in two ways that differ;
    `OptionError` as `check_gradient` does. What the functions raise at the inputs is passed on.

        def forward(x, W): return x @ W                            # (n, i), (i, o) -> (n, o)
        def pushforward(x, W, dx, dW): return dx @ W + x @ dW      # tangents like x and W -> (n, o)
        backprop.check_jvp(forward, pushforward, (x, W))
    """
    rng = settings(rng, max_calls, rtol, forward=forward, pushforward=pushforward)
    with np.errstate(all="ignore"):
        passed = forward_pass(forward, inputs, pushforward)
        output = outputs_of(passed.run(passed.structure.build(passed.point)))
        push, note = (
            _by_autodiff(passed, output)
            if pushforward is None
            else _by_hand(passed, pushforward, output, tangents_first)
        )
        ray = _Ray(passed, push, output, rng)
        oracle = FunctionOracle(ray.value, ray.parameters, np.zeros(len(ray.names)), Budget(max_calls))
        seen = gather(oracle, ray.claim, rng, rtol=rtol, is_jacobian=True)
        _look_at_tangents(seen, ray)
        seen.answer.notes[:0] = [note, *ray.notes]
        check = replace(report(seen), subject="pushforward")
        return check if pushforward is None else with_lines(check, lambda: Lines((), note=_NO_LINES))


_NO_LINES = "Wrong lines are looked for in a backward pass; a pushforward is checked without them."


Push = Callable[[dict[str, Any], dict[str, Any]], Any]
"""From inputs and tangents by name to the tangent of the outputs, in their form."""


def _by_hand(
    passed: Forward, pushforward: Callable[..., Any], output: Structure, tangents_first: bool | None
) -> tuple[Push, str]:
    """How to call the pushforward, and the sentence that says it."""
    structure, x = passed.structure, passed.point
    tangent = drawn(len(x), np.random.default_rng(0))

    def arguments(form: Form, factor: float) -> Sequence[Any]:
        point, tangents = structure.build(x), _tangents(structure, factor * tangent)
        return form.arguments(tangents, None, list(point.values()))

    def read(answer: Any) -> tuple[Any, bool]:
        given = _without_outputs(answer, output)
        shapes = [
            leaf.parts(to_numpy(end)).shape
            for leaf, end in zip(output.leaves, output.ends(given), strict=True)
        ]
        return output.read(given), shapes == [leaf.shape for leaf in output.leaves]

    moving = [name for name, places in structure.inputs.items() if len(places)]
    forms = forms_of_pushforward(list(passed.inputs), moving, tangents_first)
    form, _ = choose(
        forms, pushforward, arguments, read, "pushforward", "tangents_first=True or tangents_first=False"
    )

    def push(point: dict[str, Any], tangents: dict[str, Any]) -> Any:
        answer = pushforward(*form.arguments(tangents, None, list(point.values())))
        return _without_outputs(answer, output)

    return push, f"{form.words} is called."


def _by_autodiff(passed: Forward, output: Structure) -> tuple[Push, str]:
    """The derivative that PyTorch or JAX takes of forward."""
    structure = passed.structure
    how = push_forward_in_jax if passed.autodiff == "jax" else push_forward_in_torch

    def push(point: dict[str, Any], tangents: dict[str, Any]) -> Any:
        def of_tensors(tensors: list[Any]) -> list[Any]:
            return output.ends(passed.run(structure.with_ends(point, tensors)))

        moved = how(of_tensors, structure.ends(point), structure.ends(tangents))
        return output.assemble(moved, lambda constant: None)

    return push, passed.by_library


def _tangents(structure: Structure, vector: Array, dtype: DType | None = None) -> dict[str, Any]:
    """Tangents (p,) in the form of the inputs; None in the place of what has none."""
    views = structure.views(vector)
    tensors = [as_upstream(leaf.build(views[leaf.name], dtype)) for leaf in structure.leaves]
    tangents: dict[str, Any] = structure.assemble(tensors, lambda constant: None)
    return tangents


def _without_outputs(answer: Any, output: Structure) -> Any:
    """The tangent of the outputs, where they come with it in a pair."""
    if answer is None:
        raise CheckError("pushforward gave None; expected the tangent of the outputs.")
    is_pair = isinstance(answer, tuple) and len(answer) == 2
    has_two = isinstance(output.tree, Parts) and len(output.tree.keys) == 2
    return answer[1] if is_pair and (not has_two or isinstance(answer[0], list | tuple)) else answer


class _Ray:
    """The outputs as a function of one number for each input, by which it moves along a tangent drawn at random.

    parameters: the structure of these numbers, in the format of the inputs, so that they are widened as those are.
    """

    def __init__(self, passed: Forward, push: Push, output: Structure, rng: np.random.Generator) -> None:
        structure, x = passed.structure, passed.point
        self.run, self.push, self.structure, self.x, self.output = passed.run, push, structure, x, output
        self.names = [name for name, places in structure.inputs.items() if len(places)]
        size = 2.0 ** np.round(np.log2(scales(structure, x).tensor))
        self.tangent = drawn(len(x), rng) * size
        number = np.float64 if structure.format.bits > SINGLE.bits else np.float32
        zero, _ = structure_of({name: number(0) for name in self.names})
        leaves = (replace(leaf, format=structure.format, weak=True) for leaf in zero.leaves)
        self.parameters = Structure(zero.tree, tuple(leaves))
        self.combined = Combinations.drawn(output.size, rng) if output.size > _MOST else None
        self.notes = [self.combined.note] if self.combined is not None else []
        self.shape = output.leaves[0].shape if len(output.leaves) == 1 else (output.size,)

    def value(self, at: dict[str, Any]) -> Array:
        """The outputs, or their combinations, where each input has moved."""
        point, _ = self._moved(at)
        return self._shown(self.output.read(self.run(point)))

    def claim(self, at: dict[str, Any]) -> dict[str, Array]:
        """The tangent of the outputs along each input's own."""
        return {name: self.along(at, {name: 1.0}) for name in self.names}

    def along(self, at: dict[str, Any], weights: dict[str, float]) -> Array:
        """The tangent of the outputs along a sum of the inputs' own."""
        point, dtype = self._moved(at)
        vector = np.zeros_like(self.x)
        for name, weight in weights.items():
            places = self.structure.inputs[name]
            vector[places] = weight * self.tangent[places]
        given = self.push(point, _tangents(self.structure, vector, dtype))
        return self._shown(self.output.read(given)).astype(next(iter(at.values())).dtype)

    def _moved(self, at: dict[str, Any]) -> tuple[dict[str, Any], DType | None]:
        """The inputs where each has moved, in their own dtypes, or in the wider one of the numbers."""
        number = next(iter(at.values()))
        if number.dtype.kind == "c" and not self.structure.takes_complex:
            raise TypeError("These inputs are not moved along the imaginary axis.")
        wide = None if number.dtype == self.parameters.leaves[0].dtype else number.dtype
        x = self.x.astype(np.result_type(self.x, number))
        for name, by in at.items():
            places = self.structure.inputs[name]
            x[places] += by * self.tangent[places]
        return self.structure.build(x, wide), wide

    def _shown(self, outputs: Array) -> Array:
        return outputs.reshape(self.shape) if self.combined is None else self.combined.of(outputs)


def _look_at_tangents(seen: Evidence, ray: _Ray) -> None:
    """Whether the derivative along the sum of all tangents is the sum of those along each, and half along a half."""
    if seen.gradient is None or seen.check is None or len(seen.names) < len(ray.names):
        return
    oracle = replace(
        seen.gradient,
        gradient=lambda at: dict.fromkeys(ray.names, ray.along(at, dict.fromkeys(ray.names, 0.5))),
    )
    rows = oracle.rows(seen.function.point)
    if rows is None or not np.all(np.isfinite(rows)):
        return
    together, each = rows[:, 0], seen.rows / 2
    off = float(np.max(np.abs(together - each.sum(axis=1))))
    slack = relative_tolerance(seen.check.rows_eps, MOST_BLURRED)
    if off > slack * float(np.max(np.abs(each).sum(axis=1))):
        words = "Along half of the sum of all tangents it is not half of the sum of those along each"
        seen.blame(found("not-linear-in-tangent", None, f"{words}: it is off by up to {off:.3g}."))
