"""Factors: what a constant k with got = k · expected may stand for."""

from __future__ import annotations

from collections.abc import Iterator

from backprop.check.network.hypotheses.run import Run
from backprop.check.network.hypotheses.state import Mistake


def factor_mistakes(
    k: float, tolerance: float, run: Run, *, layer: int | None = None, tensors: tuple[str, ...] = ()
) -> Iterator[tuple[float, tuple[Mistake, ...]]]:
    """The exact factor near `k` and the mistakes it stands for; a negative one is a sign beside them."""
    size = abs(k)
    turned = (Mistake("sign", "-1 · expected", layer, tensors),) if k < 0 else ()
    near = [each for each in _known(run) if abs(size - each[0]) <= 4 * tolerance * each[0]]
    if k < 0 and abs(size - 1) <= 4 * tolerance:
        yield -1.0, turned
        return
    if not near:
        text = f"{size:.6g} · expected"
        yield k, (*turned, Mistake("constant-factor", text, layer, tensors, fitted=True))
        return
    kinds = list(dict.fromkeys(kind for _, kind, _ in near))
    value, kind, text = near[0]
    yield (
        value if k > 0 else -value,
        (*turned, Mistake(kind, text, layer, tensors, also=tuple(kinds[1:]))),
    )


def _known(run: Run) -> Iterator[tuple[float, str, str]]:
    """Factors that have a meaning, the likeliest first."""
    n, c = run.n, run.y.shape[1]
    if n > 1:
        yield n, "sum-instead-of-mean", f"n · expected, n = {n}"
        yield 1 / n, "mean-instead-of-sum", f"expected / n, n = {n}"
    for factor, text in ((2.0, "2 · expected"), (0.5, "½ · expected")):
        yield factor, "constant-factor", text
    if n > 1:
        yield n * c, "sum-instead-of-mean", f"n c · expected, n = {n} and c = {c}"
        yield 1 / (n * c), "mean-instead-of-sum", f"expected / (n c), n = {n} and c = {c}"
        yield n * c / 2, "sum-instead-of-mean", f"n c / 2 · expected, n = {n} and c = {c}"
    if c > 1:
        yield c, "constant-factor", f"c · expected, c = {c} classes"
        yield 1 / c, "constant-factor", f"expected / c, c = {c} classes"
        yield c / 2, "constant-factor", f"c/2 · expected, c = {c} classes"
        yield 2 / c, "constant-factor", f"2/c · expected, c = {c} classes"
    if n > 1:
        yield n / (n - 1), "constant-factor", f"n / (n - 1) · expected, n = {n}"
        yield (n - 1) / n, "constant-factor", f"(n - 1) / n · expected, n = {n}"
        if n > 2:
            yield n / 2, "sum-instead-of-mean", f"n/2 · expected, n = {n}"
