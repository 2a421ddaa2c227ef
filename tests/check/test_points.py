"""Points as people have them: tensors, tables, dataclasses, complex numbers; bounds and manifolds."""

import dataclasses
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
import scipy.optimize
from findings import kinds
from over import part
from scipy.spatial.transform import Rotation

import backprop
from backprop.errors import CheckError

pytestmark = pytest.mark.usefixtures("without_lines")

RNG = np.random.default_rng(11)


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


@pytest.fixture(scope="module")
def jax():
    return pytest.importorskip("jax")


# PyTorch -------------------------------------------------------------------------------------------------


def torch_loss(p):
    assert type(p["W"]).__name__ == "Tensor"
    return (p["W"].sin() * p["b"]).sum()


def torch_gradient(p):
    return {"W": p["W"].cos() * p["b"], "b": p["W"].sin().sum(0)}


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("wants", [False, True])
def test_tensors_go_in_and_come_out_natively(torch, dtype, wants):
    made = torch.arange(12).reshape(3, 4).to(getattr(torch, dtype)) / 8
    point = {
        "W": made.requires_grad_(wants),
        "b": (torch.ones(4, dtype=made.dtype) / 2).requires_grad_(wants),
    }
    check = backprop.check_gradient(torch_loss, torch_gradient, point)
    assert check.ok, check
    assert "float64" in check.method
    wrong = backprop.check_gradient(
        torch_loss, lambda p: {**torch_gradient(p), "b": 1.01 * p["W"].sin().sum(0)}, point
    )
    assert kinds(wrong) == {"b": "constant-factor"}
    assert point["W"].grad is None


def test_a_gradient_may_be_pytorch_s_own(torch):
    def by_autograd(p):
        return dict(zip(p, torch.autograd.grad(torch_loss(p), list(p.values())), strict=True))

    point = {name: torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for name in ("W", "b")}
    assert backprop.check_gradient(torch_loss, by_autograd, point).ok


def test_a_loss_that_still_requires_a_gradient_is_taken_as_it_is(torch):
    w = torch.ones(3, dtype=torch.float64, requires_grad=True)
    assert backprop.check_gradient(
        lambda p: (torch.as_tensor(p) ** 2 * w).sum(), lambda p: 2 * p, np.array([1.0, 2.0, 3.0])
    ).ok


def test_only_tensors_that_require_a_gradient_move_where_any_does(torch):
    point = {"W": torch.randn(3, requires_grad=True), "x": torch.randn(3)}
    check = backprop.check_gradient(
        lambda p: (p["W"] * p["x"]).sum(), lambda p: {"W": p["x"], "x": None}, point
    )
    assert check.ok, check
    assert [tensor.name for tensor in check.tensors] == ["W"]


def test_a_module_is_checked_with_its_parameters_and_keeps_its_own(torch):
    norm = torch.nn.BatchNorm1d(4)
    before = {name: each.clone() for name, each in norm.state_dict().items()}
    check = backprop.check_vjp(norm, inputs=(torch.randn(5, 4),))
    assert check.ok, check
    assert [tensor.name for tensor in check.tensors] == ["parameters.weight", "parameters.bias", "input"]
    assert all(torch.equal(each, before[name]) for name, each in norm.state_dict().items())


def test_a_wrong_autograd_function_is_found_and_named(torch):
    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, scale, name):
            ctx.save_for_backward(x, scale)
            return x * scale, x.argmax()

        @staticmethod
        def backward(ctx, dy, _):
            x, scale = ctx.saved_tensors
            return dy[0] * scale + 0 * dy, (dy * x).sum(0), None

    check = backprop.check_vjp(Scaled.apply, inputs=(torch.randn(4, 3), torch.randn(3), "a name"))
    assert kinds(check) == {"x": "only-first-upstream"}
    assert [tensor.name for tensor in check.tensors] == ["x", "scale"]


def test_a_wrong_derivative_by_a_parameter_of_a_module_is_found_and_a_frozen_one_has_none(torch):
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, weight):
            return 2 * weight

        @staticmethod
        def backward(ctx, dy):
            return dy

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(3))
            self.frozen = torch.nn.Parameter(torch.randn(3), requires_grad=False)

        def forward(self, input):
            return Twice.apply(self.weight) * input + self.frozen

    check = backprop.check_vjp(Module(), inputs=(torch.randn(3),))
    verdicts = {tensor.name: tensor.verdict for tensor in check.tensors}
    assert verdicts == {"parameters.weight": "wrong", "input": "right"}


def test_dropout_drops_the_same_in_every_call(torch):
    state = torch.random.get_rng_state()
    assert backprop.check_vjp(torch.nn.Dropout(), inputs=(torch.randn(4, 3),)).ok
    torch.random.set_rng_state(state)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_a_kernel_that_computes_in_float32_is_judged_by_float32(torch, dtype):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return (x.float() ** 2).to(x.dtype)

        @staticmethod
        def backward(ctx, dy):
            (x,) = ctx.saved_tensors
            return (2 * x.float() * dy.float()).to(x.dtype)

    x = (torch.arange(1, 13).reshape(3, 4) / 7).to(getattr(torch, dtype))
    assert backprop.check_vjp(Square.apply, inputs=(x,)).ok


def test_a_compiled_function_works(torch):
    compiled = torch.compile(lambda x: torch.tanh(x) * x, backend="eager")
    assert backprop.check_vjp(compiled, inputs=(torch.randn(4),)).ok


def test_an_output_without_a_gradient_is_left_out(torch):
    def detaches(x):
        return x.sin(), x.cos().detach()

    assert backprop.check_vjp(detaches, inputs=(torch.randn(4),)).ok
    with pytest.raises(CheckError, match="records no gradient"):
        backprop.check_vjp(lambda x: x.detach(), inputs=(torch.randn(4),))


def test_the_forward_mode_of_pytorch_is_checked(torch):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_forward(*inputs)

        @staticmethod
        def jvp(ctx, dx):
            (x,) = ctx.saved_tensors
            return x * dx  # twice that would be right

    assert kinds(backprop.check_jvp(Square.apply, inputs=(torch.randn(4),))) == {"x": "constant-factor"}
    assert backprop.check_jvp(lambda x: x.sin(), inputs=(torch.randn(4),)).ok


# JAX -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_jax_arrays_keep_at_and_are_checked_in_float64(jax, dtype):
    def loss(p):
        return jax.numpy.sum(p.at[0].set(0.0) ** 3)

    point, before = jax.numpy.arange(1, 4).astype(dtype), jax.config.jax_enable_x64
    check = backprop.check_gradient(loss, jax.grad(loss), point)
    assert check.ok, check
    assert "float64" in check.method
    assert jax.config.jax_enable_x64 == before


def test_jitted_and_custom_derivatives_of_jax_are_checked(jax):
    jnp = jax.numpy

    @jax.custom_vjp
    def scaled(x, labels, scale):
        return x[labels] * scale

    scaled.defvjp(
        lambda x, labels, scale: (scaled(x, labels, scale), (x, labels, scale)),
        lambda kept, dy: (jnp.zeros_like(kept[0]).at[kept[1]].add(dy * kept[2]), None, jnp.sum(dy)),
    )
    inputs = (jnp.arange(3.0), jnp.array([0, 2, 2]), jnp.array(2.0))
    check = backprop.check_vjp(jax.jit(scaled), inputs=inputs)
    assert [tensor.verdict for tensor in check.tensors] == ["right", "wrong"], check

    @jax.custom_jvp
    def doubled(x):
        return x * x

    doubled.defjvp(lambda p, v: (doubled(*p), p[0] * v[0]))
    assert kinds(backprop.check_jvp(doubled, inputs=(jnp.arange(1.0, 4.0),))) == {"x": "constant-factor"}
    assert backprop.check_jvp(jax.jit(jnp.sin), inputs=jnp.arange(3.0)).ok


def test_outputs_in_a_dict_are_told_by_their_names(jax):
    def two(p):
        return {"b": jax.numpy.sin(p["x"]), "a": jax.numpy.sum(p["x"])}

    assert backprop.check_vjp(two, inputs=({"x": jax.numpy.arange(3.0)},)).ok


def test_a_class_that_is_registered_with_jax_is_a_container(jax):
    class Pair:
        def __init__(self, left, right):
            self.left, self.right = left, right

    jax.tree_util.register_pytree_with_keys(
        Pair,
        lambda pair: (
            ((jax.tree_util.GetAttrKey("left"), pair.left), (jax.tree_util.GetAttrKey("right"), pair.right)),
            None,
        ),
        lambda _, parts: Pair(*parts),
    )
    check = backprop.check_gradient(
        lambda p: p.left @ p.right, lambda p: Pair(p.right, p.left), Pair(np.ones(2), np.arange(2.0))
    )
    assert check.ok, check
    assert [tensor.name for tensor in check.tensors] == ["left", "right"]


def test_numbers_of_ml_dtypes_are_floating():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.linspace(-1, 1, 5).astype(ml_dtypes.bfloat16)
    assert backprop.check_gradient(lambda p: np.sum(np.sin(p)), np.cos, x).ok
    check = backprop.check_gradient(lambda p: np.sum(np.sin(p)), lambda p: np.cos(p) * np.float32(1.01), x)
    assert check.verdict == "wrong"


# Containers ----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Params:
    a: np.ndarray
    b: np.ndarray
    name: str = "linear"


class Named(NamedTuple):
    a: np.ndarray
    b: np.ndarray


@pytest.mark.parametrize("kind", [Params, Named])
def test_dataclasses_and_named_tuples_keep_their_kind(kind):
    point = kind(np.array([1.0, 2.0]), np.array([3.0, 5.0]))
    for answer in (lambda p: kind(p.b, p.a), lambda p: (p.b, p.a), lambda p: {"a": p.b, "b": p.a}):
        check = backprop.check_gradient(lambda p: float(p.a @ p.b), answer, point)
        assert check.ok, check
    assert [tensor.name for tensor in check.tensors] == ["a", "b"]


def test_pandas_keeps_its_labels():
    pd = pytest.importorskip("pandas")
    series = pd.Series({"alpha": 1.0, "beta": 2.0})
    check = backprop.check_gradient(
        lambda p: float(p["alpha"] ** 2 * p["beta"]),
        lambda p: pd.Series({"beta": p["alpha"] ** 2, "alpha": 2 * p["alpha"] * p["beta"]}),
        series,
    )
    assert check.ok, check
    assert [tensor.name for tensor in check.tensors] == ["alpha", "beta"]
    numbered = pd.Series([1.0, 2.0, 3.0], index=[3, 5, 7])
    assert backprop.check_gradient(
        lambda p: float((p.loc[[3, 7]] ** 2).sum()), lambda p: 2 * p * [1, 0, 1], numbered
    ).ok
    table = pd.DataFrame({"w": [1.0, 2.0], "group": [0, 1], "name": ["a", "b"]})

    def of_table(p):
        return float((p["w"] ** 2)[p["group"] == 1].sum())

    check = backprop.check_gradient(of_table, lambda p: {"w": 2 * p["w"] * (p["group"] == 1)}, table)
    assert check.ok, check
    assert [tensor.name for tensor in check.tensors] == ["w"]


def test_whole_numbers_beside_floating_ones_move_only_where_the_gradient_says_so():
    point = {"w": np.array([1.0, 2.0]), "n": 2, "labels": np.array([1, 0])}

    def loss(p):
        return np.sum(p["w"][p["labels"]] * [1, 3]) * p["n"]

    def gradient(p):
        return {"w": p["n"] * np.array([3.0, 1.0]), "labels": None}

    check = backprop.check_gradient(loss, gradient, point)
    assert [tensor.name for tensor in check.tensors] == ["w"]
    assert check.ok, check
    check = backprop.check_gradient(loss, lambda p: {**gradient(p), "n": 1.0}, point)
    assert [tensor.name for tensor in check.tensors] == ["w", "n"]
    assert check.verdict == "wrong"
    assert backprop.check_gradient(
        lambda p: p[0] ** 2 * p[1], lambda p: [2 * p[0] * p[1], p[0] ** 2], [1, 2.5]
    ).ok


def test_none_for_one_tensor_is_zero_and_leaves_the_others_their_verdicts():
    point = {"x": RNG.normal(size=(3, 4)), "w": RNG.normal(size=4)}
    check = backprop.check_gradient(
        lambda p: np.sum(np.sin(p["x"]) * p["w"]), lambda p: {"x": np.cos(p["x"]) * p["w"], "w": None}, point
    )
    assert {tensor.name: tensor.verdict for tensor in check.tensors} == {"x": "right", "w": "wrong"}
    assert kinds(check) == {"w": "zero-gradient"}
    assert "The gradient of w is None, which stands for 0." in check.notes


def test_a_complex_gradient_follows_one_convention_and_its_conjugate_is_named():
    z = np.array([1 + 2j, -0.5 + 0.3j])

    def function(z):
        return float(np.sum(np.abs(z) ** 2) + np.sum(z.real * z.imag))

    def gradient(z):
        return 2 * z + z.imag + 1j * z.real

    check = backprop.check_gradient(function, gradient, z)
    assert check.ok, check
    assert "∂L/∂x + i ∂L/∂y" in check.notes[0]
    assert kinds(backprop.check_gradient(function, lambda z: gradient(z).conj(), z)) == {"x": "conjugated"}
    assert kinds(backprop.check_gradient(function, lambda z: gradient(z) / 2, z)) == {"x": "constant-factor"}


def test_the_complex_gradient_of_jax_is_right_for_jax_arrays(jax):
    def function(z):
        return jax.numpy.sum(jax.numpy.abs(z * (1 + 2j) + 1) ** 2)

    check = backprop.check_gradient(function, jax.grad(function), jax.numpy.array([1 + 2j, 0.5j]))
    assert check.ok, check
    assert "as JAX has it" in check.notes[0]
    assert backprop.check_vjp(lambda z: z * z, inputs=jax.numpy.array([1 + 2j, 0.5j])).ok


# Hessians, bounds and manifolds --------------------------------------------------------------------------


def test_a_hessian_is_the_jacobian_of_its_gradient_and_symmetric():
    matrix = RNG.normal(size=(4, 4))

    def gradient(p):
        return matrix @ matrix.T @ p + p**3

    def hessian(p, slip=0.0):
        found = matrix @ matrix.T + np.diag(3 * p**2)
        found[0, 1] += slip
        return found

    x = RNG.normal(size=4)
    assert backprop.check_gradient(gradient, hessian, x).ok
    check = backprop.check_gradient(gradient, lambda p: hessian(p, 1.0), x)
    assert "not-symmetric" in {finding.kind for finding in check.findings}
    assert check.verdict == "wrong"


UNIT = np.array([0, 1, 0.3, 0.9999])


def root(p):
    assert np.all(p.real >= 0)
    assert np.all(p.real <= 1)
    return np.sum(np.sqrt(1 + p) * np.array([1, 2, 3, 4]))


def root_gradient(p):
    assert np.all((p >= 0) & (p <= 1))
    return 0.5 / np.sqrt(1 + p) * np.array([1, 2, 3, 4])


@pytest.mark.parametrize("is_real", part([False, True], 2))
@pytest.mark.parametrize(
    "bounds",
    [(0, 1), (np.zeros(4), np.ones(4)), scipy.optimize.Bounds(0, 1), [(0, 1)] * 4, {"x": (0, 1)}],
    ids=["numbers", "arrays", "scipy", "pairs", "names"],
)
def test_on_an_edge_of_its_bounds_the_slope_to_the_inside_is_the_truth(bounds, is_real):
    function = (lambda p: root(np.asarray(p, float))) if is_real else root
    assert backprop.check_gradient(function, root_gradient, UNIT, bounds=bounds).ok

    def wrong(p):
        return root_gradient(p) * [1.001, 1, 1, 1]

    check = backprop.check_gradient(function, wrong, UNIT, bounds=bounds)
    assert check.verdict == "wrong"
    assert [entry.index for entry in check.tensors[0].worst] == [(0,)]


def test_a_narrow_box_is_not_left():
    centre = np.array([5.0, 7.0])

    def cube(p):
        assert np.all(np.abs(p - centre) <= 1e-5)
        return np.sum(p**3)

    check = backprop.check_gradient(cube, lambda p: 3 * p**2, centre, bounds=(centre - 1e-5, centre + 1e-5))
    assert check.ok, check


def test_a_float32_number_on_an_edge_is_within_its_bounds():
    x = np.array([0.1, 0.7], np.float32)
    check = backprop.check_gradient(lambda p: np.sum(p**3), lambda p: 3 * p**2, x, bounds=(0.1, 0.7))
    assert check.ok, check


def test_large_points_on_an_edge_are_compared_along_directions():
    x = RNG.uniform(size=400)
    x[:5], x[5:9] = 0, 1
    check = backprop.check_gradient(
        lambda p: np.sum(np.sin(p)) if np.all((p >= 0) & (p <= 1)) else np.nan, np.cos, x, bounds=(0, 1)
    )
    assert check.ok, check


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ((0, 0.5), r"x\[1\] is 1; expected room"),
        ("no", "expected \\(lower, upper\\)"),
        ((0, np.ones(3)), "shape \\(4,\\)"),
    ],
)
def test_bounds_that_are_none_are_refused_in_a_sentence(bounds, said):
    with pytest.raises(CheckError, match=said):
        backprop.check_gradient(root, root_gradient, UNIT, bounds=bounds)


def turned(by):
    return Rotation.from_rotvec(by).as_matrix()


def test_a_gradient_on_a_lie_group_is_by_its_tangent():
    rotation, target = turned(RNG.normal(size=3)), RNG.normal(size=(3, 3))

    def gradient(r):
        m = r.T @ target
        return np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])

    def retract(r, delta):
        return r @ turned(delta)

    def function(r):
        return np.trace(target.T @ r)

    assert backprop.check_gradient(function, gradient, rotation, retract=retract).ok
    wrong = backprop.check_gradient(function, lambda r: -gradient(r), rotation, retract=retract)
    assert kinds(wrong) == {"x": "sign"}


def test_a_matrix_that_stays_symmetric_moves_along_symmetric_tangents():
    a = RNG.normal(size=(3, 3))

    def log_det(s):
        return 2 * np.sum(np.log(np.diag(np.linalg.cholesky(s))))

    point = a @ a.T + np.eye(3)
    assert backprop.check_gradient(log_det, np.linalg.inv, point, retract=lambda s, d: s + (d + d.T) / 2).ok


@pytest.mark.processes
def test_nothing_of_another_library_is_loaded():
    code = (
        "import sys, numpy as np, backprop\n"
        "backprop.check_vjp(lambda x: np.sin(x), lambda u, x: u * np.cos(x), np.ones(2))\n"
        "print({'torch', 'jax', 'pandas', 'ml_dtypes'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def wrapped(code):
    def call(*args, **options):
        return code(*args, **options)

    return call


@pytest.mark.parametrize(
    "function",
    [
        lambda *parts: np.sum(parts[0] * parts[1] ** 2),
        wrapped(lambda a, b: np.sum(a * b**2)),
        wrapped(lambda point: np.sum(point[0] * point[1] ** 2)),
    ],
    ids=["f(*parts)", "a wrapper of f(a, b)", "a wrapper of f(point)"],
)
def test_a_function_of_any_number_of_arguments_gets_the_parts_of_the_point(function):
    point = np.arange(1.0, 4.0), np.arange(2.0, 5.0)
    assert backprop.check_gradient(function, lambda a, b: (b**2, 2 * a * b), point).ok
    assert backprop.check_gradient(function, lambda *p: (p[1] ** 2, p[0] * p[1]), point).verdict == "wrong"
    with pytest.raises(TypeError, match="argument"):
        backprop.check_gradient(wrapped(lambda: 1.0), function, point)
