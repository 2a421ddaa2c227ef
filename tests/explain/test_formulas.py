"""Every formula that is printed, computed as it stands, gives the numbers that are printed below it."""

import numpy as np
import pytest
from explain.explained import explained
from explain.formula import Formula, computed
from over import over

from backprop.registry import ladder

OPTIONS = {
    "relu": {},
    "tanh": {"activation": "tanh"},
    "sigmoid": {"activation": "sigmoid", "loss": "mean-squared-error"},
    "gelu": {"activation": "gelu"},
    "softmax": {"activation": "softmax", "loss": "mean-squared-error", "output": "softmax"},
    "squares": {"activation": "gelu", "loss": "mean-squared-error", "output": "tanh"},
    "half-squares": {"activation": "silu", "loss": "half-squared-error", "output": "sigmoid"},
    "binary": {"activation": "softplus", "loss": "binary-cross-entropy"},
    "one-output": {"sizes": (3, 4, 1), "activation": "tanh", "loss": "binary-cross-entropy"},
    "hinge": {"activation": "leaky-relu", "loss": "hinge"},
    "layer-norm": {"activation": "layer-norm"},
    "rms-norm": {"activation": "rms-norm"},
    "huber": {"activation": "silu", "loss": "huber"},
    "no-bias": {"bias": False},
}


@pytest.mark.parametrize("strategy", ladder())
@over(options=OPTIONS, n=(1, 3))
def test_a_printed_formula_gives_the_printed_numbers(options, n, strategy):
    explanation = explained(strategy, n=n, seed=4, **OPTIONS[options])
    trace, network = explanation.traces[0], explanation.network
    arrays = {step.name: step.array for step in (*trace.given, *trace.steps) if step.kind != "factor"}
    if network.short is not network:
        arrays["p"] = network.forward(explanation.params, explanation.batch.inputs)
    sizes, looked_at = {"n": n, "c": network.classes}, 0
    for step in trace.steps:
        assert step.formula, step.name
        if step.kind == "product":  # a product of matrices, whose letters are those of its factors
            continue
        got = computed(step, arrays, explanation.batch.labels, sizes)
        np.testing.assert_allclose(
            got, step.array, rtol=1e-12, atol=1e-14, err_msg=f"{step.name} = {step.formula}"
        )
        looked_at += 1
    assert looked_at >= 8


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1/2 + 3", 3.5),
        ("2 (3 - 1)² / 4", 2.0),
        ("-2 (3 + 1)", -8.0),
        ("Σi a[i] - 1", 5.0),
        ("log Σi exp a[i] - a[i]", np.log(np.exp([1, 2, 3]).sum()) - 2),
        ("[a[i] > 1] max(0, 7)", 7.0),
        ("δ[i,i] n", 5.0),
    ],
)
def test_the_reader_of_formulas_reads_them_as_one_does(text, value):
    from explain.formula import Element

    where = Element({"a": np.array([1.0, 2.0, 3.0])}, None, {"n": 5}, {"i": 1})
    assert Formula(text).compute(where) == pytest.approx(value)
