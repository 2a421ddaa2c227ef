"""Layers written by hand: every right backward pass passes, in every library and dtype, and every slip is found."""

import numpy as np
import pytest
from over import part
from planted.layers.layer import every_layer
from planted.layers.libraries import LIBRARIES, checked_in

import backprop

pytestmark = pytest.mark.usefixtures("without_lines")

LAYERS = every_layer()
DTYPES = ("float64", "float32", "bfloat16")
every_one = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)


def inputs_of(layer):
    return layer.inputs(np.random.default_rng(1))


def test_every_layer_has_its_file_and_at_least_six_slips():
    assert len(LAYERS) >= 21
    assert all(len(layer.slips) >= 6 for layer in LAYERS)
    assert len({layer.name for layer in LAYERS}) == len(LAYERS)


def test_at_least_nine_of_ten_slips_have_a_name():
    slips = [slip for layer in LAYERS for slip in layer.slips]
    assert sum(slip.kinds != ("unknown",) for slip in slips) >= 0.9 * len(slips)


@every_one
def test_a_right_backward_pass_passes(layer):
    check = backprop.check_vjp(layer.forward, layer.backward, inputs_of(layer))
    assert check.ok, check
    assert check.findings == ()


def representatives():
    """The first slip of every kind, and one of every layer, as (layer, slip) by their names."""
    seen = set()
    for layer in LAYERS:
        first = {slip.kinds[0]: slip.name for slip in reversed(layer.slips)}
        names = [name for kind, name in first.items() if kind not in seen] or [layer.slips[0].name]
        seen |= first.keys()
        yield from ((layer.name, name) for name in names)


FIRST = set(representatives())


@pytest.mark.parametrize("first", part([True, False], 2), ids={True: "first", False: "others"}.get)
@every_one
def test_every_slip_is_found_and_called_what_it_is(layer, first):
    for slip in layer.slips:
        if ((layer.name, slip.name) in FIRST) != first:
            continue
        check = backprop.check_vjp(layer.forward, layer.spoilt(slip), inputs_of(layer))
        kinds = {finding.kind for finding in check.findings}
        assert check.verdict == "wrong", (slip.name, check)
        assert kinds & set(slip.kinds), (slip.name, check)
        assert kinds <= {*slip.kinds, "unknown"}, (slip.name, check)


@pytest.mark.parametrize(
    ("library", "number", "layer"),
    [case for library in LIBRARIES for case in part([(library, *one) for one in enumerate(LAYERS)], 7)],
    ids=lambda each: getattr(each, "name", str(each)),
)
def test_a_right_layer_of_pytorch_or_jax_is_not_called_wrong(library, number, layer):
    pytest.importorskip(library)
    dtype = DTYPES[(number + len(library)) % 3]  # compiling takes a second; suite.py --libraries asks for all
    assert checked_in(library, layer, dtype).ok
