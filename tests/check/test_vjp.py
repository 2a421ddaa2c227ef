"""A backward pass is checked as it is written, with upstream gradients that hide nothing."""

import numpy as np
import pytest
from findings import kinds

import backprop
from backprop.errors import CheckError, OptionError
from backprop.testing import assert_step, assert_vjp

pytestmark = pytest.mark.usefixtures("without_lines")

RNG = np.random.default_rng(7)
X, W = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4))


def forward(x, W):
    return np.tanh(x @ W)


def backward(dy, x, W):
    dz = dy * (1 - forward(x, W) ** 2)
    return dz @ W.T, x.T @ dz


def with_cache(x, W):
    y = forward(x, W)
    return y, {"x": x, "W": W, "y": y, "shape": x.shape}


def from_cache(dy, cache):
    dz = dy * (1 - cache["y"] ** 2)
    return dz @ cache["W"].T, cache["x"].T @ dz


class Keeping:
    """A layer that keeps what its backward pass needs."""

    def forward(self, x, W):
        self.x, self.W = x, W
        return forward(x, W)

    def backward(self, dy):
        return backward(dy, self.x, self.W)


def test_the_form_of_a_backward_pass_is_told_by_what_works_and_said():
    keeping = Keeping()
    for one, other, words in (
        (forward, backward, "backward(upstream, x, W)"),
        (with_cache, from_cache, "backward(upstream, cache)"),
        (keeping.forward, keeping.backward, "backward(upstream)"),
    ):
        check = backprop.check_vjp(one, other, (X, W))
        assert check.ok, check
        assert check.notes[:2] == (
            f"{words} is called.",
            "The upstream gradient of y (5 × 4) is drawn at random.",
        )
        assert [tensor.name for tensor in check.tensors] == ["x", "W"]
        assert str(check).startswith("The backward pass is right.")


def test_a_recurrent_step_has_several_outputs_before_its_cache():
    def step(x, h, W):
        a = np.tanh(x @ W + h)
        return a, 2 * a + h, (x, a, W)

    def back(da, ds, cache):
        x, a, W = cache
        dz = (da + 2 * ds) * (1 - a * a)
        return dz @ W.T, dz + ds, x.T @ dz

    check = backprop.check_vjp(step, back, (X, RNG.normal(size=(5, 4)), W))
    assert check.ok, check
    assert check.notes[0] == "backward(upstream_0, upstream_1, cache) is called."


def test_where_two_forms_fit_and_differ_neither_is_guessed():
    def forward(x):
        return 2 * x, 3 * x  # two outputs, or an output and a cache?

    def either(dy, other, x=None):
        return 2 * dy if x is None else 2 * dy + 3 * other

    with pytest.raises(CheckError, match="expected cache=True or cache=False"):
        backprop.check_vjp(forward, either, (X,))
    assert backprop.check_vjp(forward, either, (X,), cache=True).ok
    assert backprop.check_vjp(forward, either, (X,), cache=False).ok


def test_a_cache_may_be_an_object_of_any_type():
    class Kept:
        def __init__(self, x, W):
            self.x, self.W = x, W

    def back(dy, kept):
        return backward(dy, kept.x, kept.W)

    assert backprop.check_vjp(lambda x, W: (forward(x, W), Kept(x, W)), back, (X, W)).ok
    check = backprop.check_vjp(lambda x, W: (forward(x, W), Kept(x, 2 * W)), back, (X, W))
    assert check.verdict == "wrong"
    with pytest.raises(CheckError, match="a Kept at y"):
        backprop.check_vjp(lambda x, W: Kept(x, W), back, (X, W))


def test_of_two_forms_that_differ_the_one_is_meant_whose_names_the_backward_pass_has():
    def several(x):
        return np.sin(x), None, np.arange(3.0)  # the last could be a cache

    check = backprop.check_vjp(several, lambda dy, dz, x: dy * np.cos(x), X)
    assert check.ok, check
    assert "backward(upstream_0, upstream_2, x) is called." in check.notes
    check = backprop.check_vjp(several, lambda dy, cache: dy * np.cos(cache), X)
    assert check.verdict == "wrong"
    assert "backward(upstream_0, cache) is called." in check.notes


def test_a_backward_pass_that_fits_no_form_is_refused_in_a_sentence():
    with pytest.raises(CheckError, match="backward could be called in no way"):
        backprop.check_vjp(forward, lambda: None, (X, W))
    with pytest.raises(CheckError, match="backward gave 3 gradients; expected one for each of x, W"):
        backprop.check_vjp(forward, lambda dy, x, W: (1, 2, 3), (X, W))
    with pytest.raises(CheckError, match="backward gave None; expected one gradient for each of x"):
        backprop.check_vjp(np.sin, lambda dy, x: None, X)
    with pytest.raises(CheckError, match="backward gave 2 gradients; expected one for each of x"):
        backprop.check_vjp(np.sin, lambda dy, x: (dy, dy), X)
    with pytest.raises(ZeroDivisionError):
        backprop.check_vjp(forward, lambda dy, x, W: 1 / 0, (X, W))


def test_there_must_be_inputs_and_a_derivative():
    with pytest.raises(CheckError, match="There are no inputs"):
        backprop.check_vjp(forward, backward)
    with pytest.raises(CheckError, match="There is no derivative"):
        backprop.check_vjp(forward, inputs=(X, W))
    with pytest.raises(OptionError, match="max_calls is 3"):
        backprop.check_vjp(forward, backward, (X, W), max_calls=3)
    with pytest.raises(CheckError, match="whole numbers"):
        backprop.check_vjp(np.argmax, lambda dy, x: x, X)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (lambda dy: np.ones_like(dy), "upstream-ignored"),
        (lambda dy: 0 * dy + dy[0], "only-first-upstream"),
        (lambda dy: 0 * dy + dy[:, :1], "only-first-upstream"),
        (lambda dy: dy * dy[0, 0], "not-linear-in-upstream"),
        (lambda dy: np.clip(dy, -2, 2), "not-linear-in-upstream"),
        (lambda dy: dy * np.abs(dy), "not-linear-in-upstream"),
    ],
)
def test_a_wrong_use_of_the_upstream_gradient_is_called_that(wrong, kind):
    check = backprop.check_vjp(
        forward, lambda dy, x, W: (backward(dy, x, W)[0], backward(wrong(dy), x, W)[1]), (X, W)
    )
    assert check.verdict == "wrong", check
    assert kinds(check) == {"W": kind}
    assert [tensor.verdict for tensor in check.tensors] == ["right", "wrong"]


def test_an_upstream_gradient_that_is_changed_in_place_is_found():
    def changes(dy, x, W):
        dy *= 1 - forward(x, W) ** 2
        return dy @ W.T, x.T @ dy

    check = backprop.check_vjp(forward, changes, (X, W))
    assert kinds(check) == {None: "upstream-changed-in-place"}


def test_other_mistakes_keep_their_names():
    def spoilt(dx=1, dW=1, extra=0):
        return lambda dy, x, W: (dx * backward(dy, x, W)[0], dW * backward(dy, x, W)[1] + extra * W)

    assert kinds(backprop.check_vjp(forward, spoilt(dx=-1), (X, W))) == {"x": "sign"}
    assert kinds(backprop.check_vjp(forward, spoilt(dW=5), (X, W), batch_size=5)) == {
        "W": "sum-instead-of-mean"
    }
    assert kinds(backprop.check_vjp(forward, spoilt(extra=0.1), (X, W))) == {"W": "weight-decay-extra"}
    assert kinds(backprop.check_vjp(forward, lambda *a: (backward(*a)[0], None), (X, W))) == {
        "W": "zero-gradient"
    }


@pytest.mark.parametrize(
    ("slope", "kind"),
    [
        (lambda x: np.cumsum(x) + x, "terms-left-out"),
        (lambda x: 2 * np.cumsum(x), "path-missing"),
    ],
)
def test_a_backward_pass_of_each_entry_alone_is_told_by_what_it_leaves_out(slope, kind):
    """Of y = x ∘ cumsum x, in which an entry depends on those before it."""
    check = backprop.check_vjp(lambda x: x * np.cumsum(x), lambda dy, x: dy * slope(x), (X[0],))
    assert kinds(check) == {"x": kind}


@pytest.mark.parametrize("pools", [2, 3])
def test_a_maximum_whose_upstream_entry_is_shared_among_all_is_told_from_two_pools_on(pools):
    check = backprop.check_vjp(
        lambda x: x.reshape(-1, 2).max(1), lambda dy, x: np.repeat(dy / 2, 2), (X.reshape(-1)[: 2 * pools],)
    )
    assert kinds(check) == {"x": "other-shares"}


def test_outputs_and_inputs_without_a_gradient_have_none():
    def gather(table, index, name, scale):
        rows = table[index]
        return rows * scale, index.max(), None, {"rows": rows}

    def back(upstream, table, index, name, scale):
        dy, _, _, others = upstream
        dtable = np.zeros_like(table)
        np.add.at(dtable, index, dy * scale + others["rows"])
        return dtable, None, None, np.sum(dy * table[index])

    inputs = (RNG.normal(size=(4, 3)), np.array([0, 2, 2]), "embedding", 0.5)
    check = backprop.check_vjp(gather, back, inputs, cache=False)
    assert check.ok, check
    assert [tensor.name for tensor in check.tensors] == ["table", "scale"]


def test_the_output_whose_upstream_gradient_is_left_out_is_named():
    check = backprop.check_vjp(
        lambda x: (np.sin(x), np.cos(x)), lambda upstream, x: upstream[0] * np.cos(x), (X,), cache=False
    )
    (finding,) = check.findings
    assert finding.kind == "upstream-ignored"
    assert "y[1]" in finding.evidence


def test_of_several_outputs_the_one_whose_part_is_wrong_is_named():
    def two(x, h):
        return np.tanh(x + h), x * h * h

    def back(upstream, x, h):
        dy, dz = upstream
        d = dy * (1 - np.tanh(x + h) ** 2)
        return d + dz * h * h, d + dz * x * h  # twice x h would be right

    check = backprop.check_vjp(two, back, (X, RNG.normal(size=X.shape)))
    assert kinds(check) == {"h": "local-derivative"}
    assert (
        "h: the part of its gradient that comes from y[1] is wrong; that from y[0] is right." in check.notes
    )


def test_only_the_inputs_that_have_gradients_may_be_answered():
    labels = np.array([0, 1, 2, 3, 0])

    def loss(z, labels):
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        return -np.log(p[np.arange(5), labels])

    def back(dy, z, labels):
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        p[np.arange(5), labels] -= 1
        return dy[:, None] * p

    assert backprop.check_vjp(loss, back, (RNG.normal(size=(5, 4)), labels)).ok


def test_inputs_may_be_named_and_the_gradients_may_be_as_well():
    check = backprop.check_vjp(
        forward,
        lambda dy, x, W: dict(zip(("dx", "dW"), backward(dy, x, W), strict=True)),
        {"W": W, "x": X},
    )
    assert check.ok, check
    assert [tensor.name for tensor in check.tensors] == ["x", "W"]


def test_a_complex_output_is_multiplied_by_the_conjugate_of_its_upstream_gradient():
    z = RNG.normal(size=4) + 1j * RNG.normal(size=4)
    assert backprop.check_vjp(lambda z: z * z, lambda u, z: u * 2 * z.conj(), z).ok
    check = backprop.check_vjp(lambda z: z * z, lambda u, z: (u * 2 * z.conj()).conj(), z)
    assert kinds(check) == {"z": "conjugated"}
    assert "PyTorch" in check.notes[0]


def test_a_right_layer_of_ten_thousand_numbers_takes_at_most_200_calls():
    x, weights = RNG.normal(size=(100, 100)), RNG.normal(size=(100, 100)) / 10
    check = backprop.check_vjp(
        lambda x: np.maximum(x @ weights, 0), lambda dy, x: (dy * (x @ weights > 0)) @ weights.T, x
    )
    assert check.ok, check
    assert check.calls + check.gradient_calls <= 200


def test_a_backward_pass_in_a_narrow_dtype_is_judged_by_its_own_rounding():
    def narrow(dy, x, W):
        given = backward(*(each.astype(np.float32) for each in (dy, x, W)))
        return tuple(each.astype(x.dtype) for each in given)

    single = (X.astype(np.float32), W.astype(np.float32))
    assert backprop.check_vjp(forward, narrow, single).ok
    assert set(kinds(backprop.check_vjp(forward, narrow, (X, W))).values()) == {"lower-precision"}


def test_a_random_forward_pass_is_no_mistake_of_the_backward_pass():
    rng = np.random.default_rng(0)
    check = backprop.check_vjp(lambda x: x * rng.random(3), lambda u, x: u / 2, np.ones(3))
    assert check.verdict == "undecided"


def test_assert_vjp_fails_with_the_printed_check():
    assert assert_vjp(forward, backward, (X, W)).ok
    with pytest.raises(AssertionError, match="The backward pass is wrong"):
        assert_vjp(forward, lambda dy, x, W: backward(-dy, x, W), (X, W))


def step(W, b):
    d = X @ W + b - 1
    return 0.5 * np.sum(d * d), X.T @ d, d.sum(axis=0)


def test_a_step_gives_its_loss_with_its_gradients_in_any_of_several_ways():
    b = RNG.normal(size=4)
    named = {"W": W, "b": b}
    for one, point in (
        (step, named),
        (step, (W, b)),
        (lambda p: (step(**p)[0], step(**p)[1:]), named),
        (lambda p: (step(**p)[0], dict(zip(("dW", "db"), step(**p)[1:], strict=True))), named),
        (lambda p: [step(*p)[0], list(step(*p)[1:])], [W, b]),
    ):
        check = backprop.check_step(one, point)
        assert check.ok, check
    check = backprop.check_step(lambda p: (step(**p)[0], step(**p)[1], -step(**p)[2]), named)
    assert kinds(check) == {"b": "sign"}
    with pytest.raises(CheckError, match="expected \\(loss, gradients\\)"):
        backprop.check_step(lambda p: step(**p)[0], named)
    assert assert_step(step, named).ok
    with pytest.raises(AssertionError, match="The gradient is wrong"):
        assert_step(lambda W, b: (step(W, b)[0], 2 * step(W, b)[1], step(W, b)[2]), named)


def batch_norm(x, gamma, beta, settings):
    """As one course has it: the settings are a dict in which the forward pass keeps running statistics."""
    scale = np.sqrt(x.var(axis=0) + settings.get("eps", 1e-5))
    x_hat = (x - x.mean(axis=0)) / scale
    settings["running_mean"] = 0.9 * settings.get("running_mean", 0) + 0.1 * x.mean(axis=0)
    return gamma * x_hat + beta, (x_hat, gamma, scale)


def batch_norm_backward(dout, cache):
    x_hat, gamma, scale = cache
    g = dout * gamma
    return (g - g.mean(0) - x_hat * (g * x_hat).mean(0)) / scale, (dout * x_hat).sum(0), dout.sum(0)


@pytest.mark.parametrize("settings", [{"mode": "train"}, {"eps": 1e-3}, {"running_mean": np.zeros(3)}])
def test_settings_beside_the_inputs_have_no_gradient(settings):
    given = dict(settings)
    check = backprop.check_vjp(
        batch_norm, batch_norm_backward, (X, RNG.normal(size=3), RNG.normal(size=3), given)
    )
    assert check.ok, check
    assert [tensor.name for tensor in check.tensors] == ["x", "gamma", "beta"]
    assert check.findings == ()  # what the forward pass keeps in its settings is no mistake
    assert given.keys() == settings.keys()


def test_the_term_of_the_variance_is_told_where_complex_steps_are_none():
    def wrong(dout, cache):
        x_hat, gamma, scale = cache
        return (dout - dout.mean(0)) * gamma / scale, (dout * x_hat).sum(0), dout.sum(0)

    def forward(x, gamma, beta):
        scale = np.sqrt(x.var(axis=0))  # which drops imaginary parts
        x_hat = (x - x.mean(axis=0)) / scale
        return gamma * x_hat + beta, (x_hat, gamma, scale)

    check = backprop.check_vjp(forward, wrong, (X, RNG.normal(size=3), RNG.normal(size=3)))
    assert kinds(check) == {"x": "shared-term"}


def test_rows_of_a_factorisation_are_no_steps():
    square = RNG.normal(size=(3, 3))

    def backward(upstream, S):
        L = np.linalg.cholesky(S)
        inner = np.tril(L.T @ np.tril(upstream))
        inner[np.diag_indices(3)] /= 2
        return np.linalg.solve(L.T, np.linalg.solve(L.T, inner.T).T)  # not made symmetric

    check = backprop.check_vjp(np.linalg.cholesky, backward, square @ square.T + 3 * np.eye(3))
    assert list(kinds(check).values()) == ["unknown"]


def test_a_number_beside_arrays_moves_where_the_answer_has_a_gradient_of_it():
    inputs = (X, 0.5)
    moved = backprop.check_vjp(lambda x, s: x * s, lambda u, x, s: (u * s, np.sum(u * x)), inputs)
    still = backprop.check_vjp(lambda x, s: x * s, lambda u, x, s: (u * s, None), inputs)
    alone = backprop.check_vjp(lambda a, b: a * b, lambda u, a, b: (u * b, u * a), (2.0, 3.0))
    assert moved.ok
    assert still.ok
    assert alone.ok
    assert [len(check.tensors) for check in (moved, still, alone)] == [2, 1, 2]


def test_inputs_that_a_backward_pass_changes_through_its_cache_are_named():
    def careless(dy, cache):
        cache["x"] *= 2
        return from_cache(dy, {**cache, "x": cache["x"] / 2})

    check = backprop.check_vjp(with_cache, careless, (X, W))
    (finding,) = check.findings
    assert (finding.kind, finding.tensor) == ("modifies-arguments", None)
    assert "The backward pass changed x in place" in finding.evidence


def test_a_loss_of_scores_and_labels_is_a_step():
    labels = np.array([0, 1, 2, 3, 0])

    def hinge(scores, labels):
        margins = np.maximum(0, scores - scores[np.arange(5), labels][:, None] + 1)
        margins[np.arange(5), labels] = 0
        dscores = (margins > 0).astype(float)
        dscores[np.arange(5), labels] -= dscores.sum(1)
        return margins.sum() / 5, dscores / 5

    scores = RNG.normal(size=(5, 4))
    assert backprop.check_step(hinge, (scores, labels)).ok
    assert backprop.check_step(hinge, {"scores": scores, "labels": labels}).ok


def rnn_forward(x, a0, parameters):
    """As one course has it: samples in columns, steps along the last axis, and a prediction that is not trained."""
    a, caches, states, predicted = a0, [], [], []
    for t in range(x.shape[2]):
        before, a = a, np.tanh(parameters["Wax"] @ x[:, :, t] + parameters["Waa"] @ a + parameters["ba"])
        caches.append((a, before, x[:, :, t], parameters))
        states.append(a)
        predicted.append(parameters["Wya"] @ a)
    return np.stack(states, axis=2), np.stack(predicted, axis=2), caches


def rnn_backward(da, caches):
    dx, da_next, grads = [], 0, {"dWax": 0, "dWaa": 0, "dba": 0}
    for t in reversed(range(da.shape[2])):
        a, before, x, parameters = caches[t]
        dz = (da[:, :, t] + da_next) * (1 - a**2)
        dx.insert(0, parameters["Wax"].T @ dz)
        da_next = parameters["Waa"].T @ dz
        for name, grad in (("dWax", dz @ x.T), ("dWaa", dz @ before.T), ("dba", dz.sum(1, keepdims=True))):
            grads[name] = grads[name] + grad
    return {"dx": np.stack(dx, axis=2), "da0": da_next, **grads}


def test_a_recurrence_as_a_course_has_it_is_taken_with_its_gradients_by_the_parts_of_a_dict():
    shapes = {"Wax": (3, 2), "Waa": (3, 3), "Wya": (2, 3), "ba": (3, 1)}
    parameters = {name: RNG.normal(size=shape) for name, shape in shapes.items()}
    inputs = RNG.normal(size=(2, 4, 3)), RNG.normal(size=(3, 4)), parameters
    check = backprop.check_vjp(rnn_forward, rnn_backward, inputs)
    assert check.ok, check
    assert "backward(upstream_0, cache) is called" in check.notes[0]
    assert "have no upstream gradient" in check.notes[0]
    halved = backprop.check_vjp(rnn_forward, lambda da, caches: rnn_backward(da / 2, caches), inputs)
    assert kinds(halved)["parameters.Waa"] == "constant-factor"
    forgotten = backprop.check_vjp(
        rnn_forward, lambda da, c: {k: g for k, g in rnn_backward(da, c).items() if k != "dWaa"}, inputs
    )
    assert kinds(forgotten) == {"parameters.Waa": "zero-gradient"}


def test_where_it_is_said_that_there_is_no_cache_the_whole_upstream_gradient_is_meant():
    def forward(x):
        return np.tanh(x), None

    def backward(upstream, x):
        return upstream[0] * (1 - np.tanh(x) ** 2)

    x = RNG.normal(size=(3, 2))
    assert backprop.check_vjp(forward, backward, (x,), cache=False).ok
    with pytest.raises(CheckError, match="expected cache=True or cache=False"):
        backprop.check_vjp(forward, backward, (x,))
