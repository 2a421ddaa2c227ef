"""A derivation reads the same in text, LaTeX and HTML, step by step, and ends with its claims."""

import functools
import re
from html import unescape
from xml.etree import ElementTree

import pytest
from explain.test_renderings import Page
from over import over
from tables import sentence

from backprop import Network
from backprop.errors import OptionError, UnknownNameError, UnsupportedError
from backprop.explain.symbolic import (
    SUBJECTS,
    derive,
    derive_network,
    render_html,
    render_latex,
    render_text,
)
from backprop.layers import Tanh

RENDERINGS = {"text": render_text, "latex": render_latex, "html": render_html}
every_rendering = pytest.mark.parametrize("render", RENDERINGS.values(), ids=RENDERINGS)


@functools.cache
def derived(subject):
    """Every derivation once."""
    return derive_network(Network.mlp(3, 4, 2), 1) if subject == "network" else derive(subject, 3)


two_samples = functools.cache(lambda: derive_network(Network.mlp(2, 2), 2))


DECLINED = {"embedding": "it takes whole numbers", "max-pool": "symbols have no size"}
NOT_HERE = {"attention": "takes seconds", **DECLINED}


LARGE = ("conv", "lstm", "mean-pool", "patches", "rnn")
"""Derivations of a hundred thousand characters: the quick tier proves these layers at their smallest, test_layers."""


@pytest.fixture(
    scope="module",  # so that pytest asks one derivation everything before the next
    params=[
        pytest.param(subject, marks=[pytest.mark.sweep] * (subject in LARGE))
        for subject in (*SUBJECTS, "network")
        if subject not in NOT_HERE
    ],
)
def derivation(request):
    return derived(request.param)


@pytest.fixture
def network():
    return derived("network")


def words_of(rendered):
    """What a reader sees of a rendering, on one line."""
    return " ".join(rendered.split())


@pytest.mark.parametrize("subject", DECLINED)
def test_what_symbols_cannot_run_through_is_declined_in_plain_words(subject):
    with pytest.raises(UnsupportedError) as error:
        derive(subject, 3)
    assert f"The layer {subject} cannot be derived: " in sentence(error.value)
    assert DECLINED[subject] in str(error.value)


def test_all_of_it_is_proven(derivation):
    assert derivation.holds
    assert re.match(rf"Proven: .*all {len(derivation.claims)} formulas", derivation.verdict)


def test_text_has_every_step_and_every_claim(derivation):
    shown = words_of(render_text(derivation, 120))
    for number, line in enumerate(derivation.lines, 1):
        assert f" {number}. {line.words} " in shown
    for claim in derivation.claims:
        assert f"✓ {claim.what}" in shown
    assert shown.endswith(derivation.verdict)
    assert shown.index(derivation.verdict) < shown.index(" 1. ")  # the answer comes first, too


@over(width=(40, 80, 120))
def test_text_is_folded_at_the_width_of_the_terminal(derivation, width):
    lines = render_text(derivation, width).splitlines()
    if width >= 80:
        assert max(map(len, lines)) <= width
    assert not [line for line in lines if len(line) > width and " " not in line.strip()[width // 2 :]]


def test_a_folded_matrix_has_all_of_its_columns(network):
    shown = render_text(network, 80)
    headings = re.findall(r"∂z₁/∂W₁, columns (\d+) to (\d+) = ", shown)
    assert [int(first) for first, _ in headings] == [0] + [int(last) + 1 for _, last in headings[:-1]]
    assert headings[-1][1] == "11"
    for symbol in ("x[0]", "x[1]", "x[2]"):
        assert shown.count(symbol) == render_text(network).count(symbol)
    for element in range(4):
        assert f"∂L/∂a₁[{element}] = W₂[{element},0]⋅(p[0] - 1) + W₂[{element},1]⋅p[1]\n" in shown
    assert "∂z₁/∂W₁, column" not in render_text(network)  # where lines may be of any length


def test_latex_is_a_whole_document_whose_braces_and_environments_close(derivation):
    shown = render_latex(derivation)
    assert shown.startswith(r"\documentclass")
    assert shown.count("{") == shown.count("}")
    for name in ("document", "enumerate", "itemize", "matrix"):
        assert shown.count(rf"\begin{{{name}}}") == shown.count(rf"\end{{{name}}}") > 0 or name == "matrix"
    assert shown.count(r"\item") == len(derivation.lines) + len(derivation.claims)
    assert shown.isascii(), re.findall(r"[^\x00-\x7f]", shown)


def test_html_draws_every_step_in_mathml_without_a_script(derivation):
    shown = render_html(derivation)
    page = Page(shown)
    drawn = re.findall(r"<math.*?</math>", shown, re.DOTALL)
    assert len(drawn) == sum(len(line.right) for line in derivation.lines)
    for formula in drawn:
        ElementTree.fromstring(formula.replace("&", "&amp;") if "&" in formula else formula)
    assert "script" not in {tag for tag, _ in page.seen}
    assert derivation.verdict in "".join(page.words)


# Softmax and cross-entropy


def test_softmax_and_cross_entropy_end_in_p_minus_t():
    derivation = derived("softmax-cross-entropy")
    product = next(line for line in derivation.lines if line.words.startswith("The chain rule")).right[-1]
    assert [str(element) for element in product] == ["p[0] - 1", "p[1]", "p[2]"]
    last = derivation.lines[-1]
    assert (str(last.left), str(last.right[0])) == ("∂L/∂x", "p - t")
    assert last.right[1] == product
    assert derivation.verdict.startswith("Proven: ∂L/∂x = p - t, and ")


@every_rendering
def test_p_minus_t_is_the_closing_line_in_every_format(render):
    derivation = derived("softmax-cross-entropy")
    shown = render(derivation).replace(r"$\partial$", "∂")
    closing = shown.rstrip().removesuffix("</main></body></html>").removesuffix(r"\end{document}")
    assert "∂L/∂x = p - t" in closing[-150:]
    assert "So the gradient is the outputs minus the one-hot label." in shown


@every_rendering
@pytest.mark.parametrize("subject", ["softmax-cross-entropy", "mean-squared-error"])
def test_the_label_is_stated(render, subject):
    shown = render(derived(subject))
    assert "The label of the sample is class 0; one-hot it is t = [1, 0, 0]." in shown


@every_rendering
def test_the_label_of_every_sample_of_a_network_is_stated(render):
    shown = render(two_samples())
    assert "The label of sample 0 is class 0, of sample 1 is class 1. The lines show sample 0" in shown


# A network


@every_rendering
def test_layers_are_numbered_and_named(render, network):
    shown = words_of(render(network)).replace("$_1$", "₁").replace("$_2$", "₂")
    for k, name in enumerate(["linear", "relu", "linear", "softmax"], 1):
        assert f"Layer {k}, {name}, computes" in shown
        assert f"backward: layer {k}, {name}" in shown.lower()
    words = [line.words for line in network.lines]
    assert len(set(words)) == len(words)


def test_in_a_network_the_quotients_of_loss_and_softmax_have_cancelled(network):
    lines = [line for line in network.lines if str(line.left) == "∂L/∂z₂"]
    assert [str(element) for element in lines[0].right[0]] == ["p[0] - 1", "p[1]"]


# One notation


@every_rendering
def test_the_step_function_has_one_notation_which_the_legend_defines(render, network):
    shown = unescape(render(network))
    assert not re.findall("Θ|Heaviside|Max\\W", shown)
    theta = {
        render_latex: r"\\theta\{\\left\(z_\{1\}\[0\] \\right\)",
        render_html: "<mi>θ</mi><mrow><mo>\\(</mo>",
    }
    assert re.search(theta.get(render, r"θ\(z₁\[0\]\)"), shown)
    assert "is the step function: 1 where z" in words_of(shown)
    assert not re.search(r"[θΘ]\([^()]*, *(0|1/2|½)\)", shown)


def test_no_step_function_is_explained_where_there_is_none():
    assert "step function" not in render_text(derived("tanh"))


@every_rendering
def test_a_symbol_is_written_in_one_way(render, network):
    shown = unescape(render(network))
    assert not re.search(r"[a-zA-Z]\d*_\d", shown)  # z1_0, as SymPy may write a symbol
    larger = {
        render_latex: r"\max{\left(z_{1}[0],0 \right)}",
        render_html: "<mi>max</mi><mrow><mo>(</mo><mrow><msub><mi>z</mi><mn>1</mn></msub><mn>[0]</mn></mrow><mo>,",
    }
    assert larger.get(render, "max(z₁[0], 0)") in shown


def test_of_several_samples_a_symbol_names_the_sample_too():
    shown = render_text(two_samples())
    assert "x[0,1] is element 1 of sample 0, counted from 0." in shown
    assert "z₁ = Σi x[n,i] W₁[i,o] + b₁[o]" in shown
    assert "x[0,1]" in shown


def test_a_letter_that_is_used_is_explained():
    assert "δ[o,i] is 1 where o = i, else 0." in words_of(render_text(derived("softmax")))
    assert "erf is the error function" in words_of(render_text(derived("gelu")))
    assert "W[0,1] is the weight from input 0 to output 1." in words_of(render_text(derived("linear")))
    assert not re.search("δ|erf|W", render_text(derived("relu")).split("computes")[0])


# Mistakes


def test_what_is_refuted_is_said_everywhere(monkeypatch):
    monkeypatch.setattr(Tanh, "derivative", lambda self, x, y: 1 - y)
    wrong = derive("tanh", 1)
    assert not wrong.holds
    for render in (render_text, render_html, render_latex):
        assert "REFUTED" in render(wrong)
        assert "WRONG, element" in render(wrong)


def test_an_unknown_subject_and_a_size_of_nothing_are_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'relu'"):
        derive("relo", 2)
    with pytest.raises(OptionError, match="inputs is 0"):
        derive("relu", 0)
    with pytest.raises(OptionError, match="samples is 0"):
        derive_network(Network.mlp(2, 2), 0)
