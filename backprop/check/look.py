"""A closer look at tensors whose error has no known signature, which takes more calls."""

from __future__ import annotations

from collections.abc import Sequence

from backprop.check.kinds import Finding
from backprop.check.local import local_jacobians
from backprop.check.local_patterns import recognised
from backprop.check.probes import probe
from backprop.check.product import Product
from backprop.check.report import Evidence


def look_closer(seen: Evidence, product: Product, names: Sequence[str]) -> dict[str, Finding]:
    """What the local Jacobian of a backward pass, and other inputs, show of the tensors `names`, by name."""
    jacobians = local_jacobians(seen, product)
    found = {}
    for name in names:
        if name in jacobians:
            others = {other: one for other, one in jacobians.items() if other != name}
            finding = recognised(jacobians[name], others)
            if finding is not None:
                found[name] = finding
    return {**found, **probe(seen, [name for name in names if name not in found])}
