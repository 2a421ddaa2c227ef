"""All forms of a layer's derivative agree, with each other and with an oracle of other code."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from over import over
from tables import DTYPES, LAYERS, MADE, PROPERTY, freeze, layer_case, random_input, width_of

from backprop.errors import UnsupportedError

COMPLEX = [name for name, make in LAYERS.items() if make(3).complex_safe]

WITHOUT_JACOBIAN = [name for name, make in LAYERS.items() if "input_jacobian" in make(3).lacks]
"""The layers of which a sample has no Jacobian of its own."""


def shapes(name):
    """Shapes (n, i) of the inputs of a layer."""
    return sorted({(n, width_of(name, i)) for n in (1, 5) for i in (1, 3, 7)})


def keeping_width(name):
    """Those of the shapes that the layer's outputs have, too."""
    return [shape for shape in shapes(name) if LAYERS[name](shape[1]).output_width(shape[1]) == shape[1]]


KEEPING_WIDTH = [name for name in LAYERS if keeping_width(name)]

every_layer = over(name=LAYERS)
every_dtype = over(dtype=DTYPES)
every_shape = over(shape=shapes, dtype=DTYPES)


def inputs(dtype, bound=20):
    """Any inputs (n, i) of the dtype up to `bound`, zero and the smallest numbers included."""
    width = np.dtype(dtype).itemsize * 8
    return arrays(
        dtype,
        array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7),
        elements=st.floats(-bound, bound, width=width),
    )


any_inputs = st.sampled_from(DTYPES).flatmap(inputs)
any_layer = st.sampled_from([name for name in LAYERS if "norm" not in name and name not in MADE])
"""A normalisation is left out: where the inputs of a sample are alike, it makes anything of their rounding."""

STEP = 1e-30

STEEP = {"attention": 16}
"""How much larger the rounding of a layer is than its results: that of scores of about 16, before exp is taken."""


def assert_close(got, expected, dtype, scale=1.0):
    """Equal within rounding: a small multiple of eps, relative to the numbers that were added up."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.dtype == dtype
    assert got.shape == expected.shape
    eps = float(np.finfo(dtype).eps)
    bound = 16 * eps * np.maximum(scale, np.abs(expected.astype(float)))
    assert (np.abs(got.astype(float) - expected.astype(float)) <= bound).all()


def dense_input_factor(case):
    """The operand of einsum with every axis written out, (n, o, i), by the rule of its docstring."""
    n, o = case.y.shape
    identity = np.broadcast_to(np.eye(o, dtype=case.x.dtype), (n, o, o))
    return case.layer.input_factor(*case.arguments).chain(identity, case.x.shape[1])


def dense_parameter_factors(case):
    """The operands of einsum for the parameters, (n, o, *shape)."""
    n, o = case.y.shape
    identity = np.broadcast_to(np.eye(o, dtype=case.x.dtype), (n, o, o))
    return {
        name: factor.chain(identity, case.params[name].size, of_parameter=True).reshape(
            n, o, *case.params[name].shape
        )
        for name, factor in case.layer.parameter_factors(*case.arguments).items()
    }


def oracle_jacobians(case):
    """∂y/∂x (n, o, i) and ∂y/∂θ (n, o, *shape) by complex steps of the oracle, which are exact to rounding."""
    params, x = case.wide
    steps = 1j * STEP * np.eye(x.shape[1])
    by_input = [case.oracle(params, x + step).imag / STEP for step in steps]
    own = {}
    for name, tensor in params.items():
        by_parameter = np.empty((*case.y.shape, *tensor.shape))
        for index in np.ndindex(tensor.shape):
            moved = tensor.astype(complex)
            moved[index] += 1j * STEP
            by_parameter[(..., *index)] = case.oracle({**params, name: moved}, x).imag / STEP
        own[name] = by_parameter
    return np.stack(by_input, axis=-1), own


def random_like(array, seed):
    return freeze(np.random.default_rng(seed).standard_normal(array.shape).astype(array.dtype))


def check_products(case):
    """VJP and JVP of the whole batch against complex steps of the oracle, along numbers and a direction."""
    (params, x), layer = case.wide, case.layer
    everything = {"x": x, **params}

    def slope(moves):
        moved = {name: value + 1j * STEP * moves.get(name, 0) for name, value in everything.items()}
        return case.oracle({name: moved[name] for name in params}, moved["x"]).imag / STEP

    def slopes(name):
        steps = np.eye(everything[name].size).reshape(-1, *everything[name].shape)
        return np.array([slope({name: step}) for step in steps]).reshape(
            *everything[name].shape, *case.y.shape
        )

    jacobians = {name: slopes(name) for name in everything}
    assert_close(case.y, case.oracle(params, x), case.x.dtype, np.abs(x).max())
    dy, dx = random_like(case.y, 2), random_like(case.x, 3)
    pulled, own = layer.vjp(*case.arguments, dy)
    for name, got in {"x": pulled, **own}.items():
        terms = np.abs(jacobians[name] * dy).sum(axis=(-2, -1)).max()
        spread = 1 + terms + np.abs(jacobians["x"]).max() * np.abs(dy).sum()
        assert_close(got, (jacobians[name] * dy).sum(axis=(-2, -1)), case.x.dtype, spread)
    moves = {name: random_like(tensor, 4) for name, tensor in case.params.items()}
    expected = slope({"x": dx.astype(float), **{name: move.astype(float) for name, move in moves.items()}})
    spread = 1 + np.abs(jacobians["x"]).max() * np.abs(dx).sum()
    assert_close(layer.jvp(*case.arguments, dx, moves), expected, case.x.dtype, spread)


def check_all_forms(case):
    """Dense, einsum, VJP and JVP against the oracle; of a layer that couples the samples, VJP and JVP."""
    dtype, layer = case.x.dtype, case.layer
    if layer.lacks:
        check_products(case)
        return
    params, x = case.wide
    steep = STEEP.get(layer.name, 1)
    size = steep * max(1.0, np.abs(x).max() * (case.x.shape[1] if params else 1))
    assert_close(case.y, case.oracle(params, x), dtype, size)

    by_input, by_parameter = oracle_jacobians(case)
    assert_close(layer.input_jacobian(*case.arguments), by_input, dtype, steep)
    assert_close(dense_input_factor(case), by_input, dtype, steep)
    dense, factors = layer.parameter_jacobians(*case.arguments), dense_parameter_factors(case)
    assert dense.keys() == factors.keys() == by_parameter.keys() == layer.parameter_shapes().keys()
    for name, expected in by_parameter.items():
        assert_close(dense[name], expected, dtype, steep)
        assert_close(factors[name], expected, dtype, steep)

    dy = random_like(case.y, 2)
    dx, dparams = layer.vjp(*case.arguments, dy)
    terms = steep * np.einsum("no,noi->ni", np.abs(dy.astype(float)), np.abs(by_input)).max()
    spread = 1 + terms if layer.name != "softmax" else 1 + np.abs(dy).sum()
    assert_close(dx, np.einsum("no,noi->ni", dy.astype(float), by_input), dtype, spread)
    for name, expected in by_parameter.items():
        terms = np.einsum("no,no...->...", np.abs(dy.astype(float)), np.abs(expected)).max()
        assert_close(
            dparams[name],
            np.einsum("no,no...->...", dy.astype(float), expected),
            dtype,
            steep * (1 + terms),
        )

    direction = random_like(case.x, 3)
    own = {name: random_like(tensor, 4) for name, tensor in case.params.items()}
    expected = np.einsum("noi,ni->no", by_input, direction.astype(float))
    terms = steep + np.einsum("noi,ni->no", np.abs(by_input), np.abs(direction.astype(float))).max()
    for name, tensor in own.items():
        jacobian, moved = by_parameter[name], tensor.astype(float)
        expected = expected + np.tensordot(jacobian, moved, tensor.ndim)
        terms += np.tensordot(np.abs(jacobian), np.abs(moved), tensor.ndim).max()
    assert_close(layer.jvp(*case.arguments, direction, own), expected, dtype, terms)


@every_layer
def test_every_layer_has_an_oracle(name):
    """Without one the tests below would skip it."""
    assert LAYERS[name](width_of(name, 3)).oracle is not None


@every_layer
@every_shape
def test_every_form_of_a_layer_agrees_with_its_oracle(name, dtype, shape):
    check_all_forms(layer_case(name, random_input(*shape, dtype)))


@PROPERTY
@given(name=any_layer, x=any_inputs)
def test_every_form_of_a_layer_agrees_with_its_oracle_for_any_input(name, x):
    check_all_forms(layer_case(name, x))


@over(name=COMPLEX)
@over(shape=shapes)
def test_jvp_agrees_with_the_complex_step(name, shape):
    case = layer_case(name, random_input(*shape, "float64"))
    dx = random_like(case.x, 3)
    dparams = {name: random_like(tensor, 4) for name, tensor in case.params.items()}
    shifted = {name: tensor + 1j * STEP * dparams[name] for name, tensor in case.params.items()}
    expected = case.layer.forward(shifted, case.x + 1j * STEP * dx).imag / STEP
    assert_close(
        case.layer.jvp(*case.arguments, dx, dparams), expected, "float64", 8 * STEEP.get(case.layer.name, 1)
    )


@every_layer
@every_dtype
def test_jvp_takes_many_directions_at_once_where_no_parameter_moves(name, dtype):
    case = layer_case(name, random_input(5, 4, dtype))
    directions = np.random.default_rng(3).standard_normal((3, 2, *case.x.shape)).astype(dtype)
    still = {local: np.zeros_like(tensor) for local, tensor in case.params.items()}
    expected = [[case.layer.jvp(*case.arguments, dx, still) for dx in row] for row in directions]
    got = case.layer.jvp(*case.arguments, directions, {})
    assert got.shape == (3, 2, *case.y.shape)
    assert_close(got, np.array(expected, float), dtype, 8)


@every_layer
def test_jvp_takes_one_direction_for_all_samples(name):
    case = layer_case(name, random_input(5, 4, "float64"))
    dx = random_like(case.x[:1], 3)
    dparams = {local: random_like(tensor, 4) for local, tensor in case.params.items()}
    expected = case.layer.jvp(*case.arguments, np.repeat(dx, 5, axis=0), dparams)
    assert_close(case.layer.jvp(*case.arguments, dx, dparams), expected, "float64", 8)


@over(name=COMPLEX)
def test_the_complex_form_of_a_layer_is_its_real_form_on_the_real_axis_far_out_too(name):
    case = layer_case(name, np.array([[-800.0, -40.0, -2.5, -1e-9], [0.0, 0.75, 30.0, 700.0]]))
    x, out = case.x, np.empty(case.y.shape, complex)
    for y in (case.layer.forward(case.params, x + 0j), case.layer.forward(case.params, x + 0j, out=out)):
        assert_close(y.real, case.y, "float64", 8)
        assert not y.imag.any()
    assert out is case.layer.forward(case.params, x + 0j, out=out)


@PROPERTY
@given(name=any_layer, x=any_inputs, seed=st.integers(0, 100))
def test_vjp_is_the_transpose_of_jvp(name, x, seed):
    case = layer_case(name, x)
    dx, dy = random_like(case.x, seed), random_like(case.y, seed + 1)
    dparams = {name: random_like(tensor, seed + 2) for name, tensor in case.params.items()}
    pulled, pulled_params = case.layer.vjp(*case.arguments, dy)
    pushed = case.layer.jvp(*case.arguments, dx, dparams)
    left = [dy.astype(float) * pushed]
    right = [pulled.astype(float) * dx]
    right += [pulled_params[name].astype(float) * dparams[name] for name in dparams]
    scale = 1 + sum(np.abs(part).sum() for part in [*left, *right]) * (1 + np.abs(x).max())
    difference = sum(part.sum() for part in left) - sum(part.sum() for part in right)
    assert abs(difference) <= 32 * np.finfo(x.dtype).eps * scale


@every_layer
@every_shape
def test_buffers_change_neither_values_nor_dtype(name, dtype, shape):
    case = layer_case(name, random_input(*shape, dtype))
    layer, (n, o), i = case.layer, case.y.shape, case.x.shape[1]

    y = np.full((n, o), np.nan, dtype)
    assert layer.forward(case.params, case.x, out=y) is y
    np.testing.assert_array_equal(y, case.y)

    if name not in WITHOUT_JACOBIAN:
        jacobian = np.zeros((n, o, i), dtype)
        assert layer.input_jacobian(*case.arguments, out=jacobian) is jacobian
        np.testing.assert_array_equal(jacobian, layer.input_jacobian(*case.arguments))

    shapes = layer.parameter_shapes()
    buffers = {name: np.zeros((n, o, *shape), dtype) for name, shape in shapes.items()}
    if "parameter_jacobians" not in layer.lacks:
        filled = layer.parameter_jacobians(*case.arguments, out=buffers)
        for name, expected in layer.parameter_jacobians(*case.arguments).items():
            assert filled[name] is buffers[name]
            np.testing.assert_array_equal(filled[name], expected)

    dy = random_like(case.y, 2)
    out = np.full((n, i), np.nan, dtype)
    dparams = {name: np.full(shape, np.nan, dtype) for name, shape in shapes.items()}
    dx, own = layer.vjp(*case.arguments, dy, out=out, dparams=dparams)
    expected_dx, expected_own = layer.vjp(*case.arguments, dy)
    assert dx is out
    np.testing.assert_array_equal(dx, expected_dx)
    assert own.keys() == expected_own.keys()
    for name in expected_own:
        assert own[name] is dparams[name]
        np.testing.assert_array_equal(own[name], expected_own[name])


@every_layer
@every_shape
def test_the_way_through_the_parts_leads_to_the_closed_form(name, dtype, shape):
    case = layer_case(name, random_input(*shape, dtype))
    dy = random_like(case.y, 2)
    dx, own = case.layer.vjp(*case.arguments, dy)
    dparams = {key: np.empty_like(value) for key, value in case.params.items()}
    by_parts, own_by_parts = case.layer.vjp_by_parts(*case.arguments, dy, dparams=dparams)
    scale = np.abs(dy).sum() * (1 + np.abs(dx).max())
    assert_close(by_parts, dx.astype(float), dtype, scale)
    for key in own:
        assert own_by_parts[key] is dparams[key]
        assert_close(own_by_parts[key], own[key].astype(float), dtype, scale)
    assert case.layer.parts_flops(*case.x.shape, case.y.shape[1]) >= case.layer.vjp_flops(
        *case.x.shape, case.y.shape[1], input_needed=True
    )


@every_layer
def test_a_form_that_a_layer_says_it_lacks_is_declined_in_a_sentence(name):
    case = layer_case(name, random_input(2, 3, "float64"))
    for form, reason in case.layer.lacks.items():
        with pytest.raises(UnsupportedError, match=re.escape(reason)):
            getattr(case.layer, form)(*case.arguments)


@every_layer
@every_dtype
def test_a_layer_with_buffers_of_its_own_gives_the_same_for_one_batch_after_another(name, dtype):
    cases = [layer_case(name, random_input(5, 3, dtype, seed=seed), seed=seed) for seed in (5, 6)]
    layer, (n, o), i = cases[0].layer, cases[0].y.shape, cases[0].x.shape[1]
    planned = layer.planned(n, np.dtype(dtype))
    out, dx = np.full((n, o), np.nan, dtype), np.full((n, i), np.nan, dtype)
    dparams = {name: np.full(shape, np.nan, dtype) for name, shape in layer.parameter_shapes().items()}
    for case in (*cases, cases[0]):
        y = planned.forward(case.params, case.x, out=out)
        assert_close(y, case.y, dtype, 1 + np.abs(case.x).max() * i)
        dy = random_like(case.y, 2)
        expected, expected_own = layer.vjp(*case.arguments, dy)
        given = case.params, case.x, y, dy
        got, own = planned.vjp(*given, input_needed=True, out=dx, dparams=dparams)
        scale = 1 + i * o * max(1.0, np.abs(case.x).max())
        assert_close(got, expected, dtype, scale)
        for name in expected_own:
            assert_close(own[name], expected_own[name], dtype, scale)


@over(name=[name for name in LAYERS if name not in WITHOUT_JACOBIAN])
@every_dtype
def test_a_buffer_that_is_filled_again_keeps_nothing_of_the_last_call(name, dtype):
    first = layer_case(name, random_input(4, 3, dtype, seed=5), seed=5)
    second = layer_case(name, -first.x[::-1].copy(), seed=6)
    layer, (n, o) = first.layer, first.y.shape
    jacobian = np.zeros((n, o, first.x.shape[1]), dtype)
    buffers = {name: np.zeros((n, o, *shape), dtype) for name, shape in layer.parameter_shapes().items()}
    for case in (first, second):
        layer.input_jacobian(*case.arguments, out=jacobian)
        layer.parameter_jacobians(*case.arguments, out=buffers)
    np.testing.assert_array_equal(jacobian, layer.input_jacobian(*second.arguments))
    for name, expected in layer.parameter_jacobians(*second.arguments).items():
        np.testing.assert_array_equal(buffers[name], expected)


@every_layer
@every_shape
def test_an_input_gradient_that_nobody_needs_is_not_formed(name, dtype, shape):
    case = layer_case(name, random_input(*shape, dtype))
    dy = random_like(case.y, 2)
    dx, dparams = case.layer.vjp(*case.arguments, dy, input_needed=False)
    assert dx is None
    for own, expected in case.layer.vjp(*case.arguments, dy)[1].items():
        np.testing.assert_array_equal(dparams[own], expected)


@over(name=KEEPING_WIDTH)
@over(shape=keeping_width, dtype=DTYPES)
def test_vjp_may_write_over_what_it_is_handed(name, dtype, shape):
    case = layer_case(name, random_input(*shape, dtype))
    dy = random_like(case.y, 2)
    expected, expected_own = case.layer.vjp(*case.arguments, dy)
    shared = dy.copy()
    dx, own = case.layer.vjp(*case.arguments, shared, out=shared)
    assert dx is shared
    assert_close(dx, expected, dtype)
    for name in expected_own:
        assert_close(own[name], expected_own[name], dtype)


@over(name=[name for name in KEEPING_WIDTH if not LAYERS[name](3).reads_input])
@over(shape=keeping_width, dtype=DTYPES)
def test_a_layer_that_does_not_read_its_input_may_write_over_it(name, dtype, shape):
    case = layer_case(name, random_input(*shape, dtype))
    shared = case.x.copy()
    assert case.layer.forward(case.params, shared, out=shared) is shared
    np.testing.assert_array_equal(shared, case.y)
    dy, nothing = random_like(case.y, 2), np.full_like(case.x, np.nan)
    expected = case.layer.vjp(*case.arguments, dy)[0]
    np.testing.assert_array_equal(case.layer.vjp(case.params, nothing, case.y, dy)[0], expected)
    expected = case.layer.input_jacobian(*case.arguments)
    np.testing.assert_array_equal(case.layer.input_jacobian(case.params, nothing, case.y), expected)


@every_layer
def test_names_shapes_and_widths_are_told_without_arrays(name):
    case = layer_case(name, random_input(2, 3, "float64"))
    layer, i, o = case.layer, case.x.shape[1], case.y.shape[1]
    assert repr(layer) == layer.name
    assert name in (layer.name, f"{layer.name}-square") or name.endswith(layer.text)
    assert layer.output_width(i) == o
    assert math.prod(layer.output_shape(layer.input_shape or (i,))) == o
    assert layer.vjp_flops(2, i, o, input_needed=True) > layer.vjp_flops(2, i, o, input_needed=False)
    assert layer.forward_flops(4, i, o) == 2 * layer.forward_flops(2, i, o)
