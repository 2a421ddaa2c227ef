"""A derivation reads the same in text, LaTeX and HTML, step by step, and ends with its claims."""

import re
from xml.etree import ElementTree

import pytest
from explain.test_renderings import Page

from backprop import Network
from backprop.errors import OptionError, UnknownNameError
from backprop.explain.symbolic import (
    SUBJECTS,
    derive,
    derive_network,
    render_html,
    render_latex,
    render_text,
)
from backprop.layers import Tanh

DERIVATIONS = {subject: lambda subject=subject: derive(subject, 2) for subject in SUBJECTS}
DERIVATIONS["network"] = lambda: derive_network(Network.mlp(2, 2, 2), 1)


@pytest.fixture(scope="module", params=DERIVATIONS)
def derivation(request):
    return DERIVATIONS[request.param]()


def test_all_of_it_is_proven(derivation):
    assert derivation.holds
    assert derivation.verdict.startswith(f"Proven: all {len(derivation.claims)} formulas")


def test_text_has_every_step_and_every_claim(derivation):
    shown = render_text(derivation)
    for number, line in enumerate(derivation.lines, 1):
        assert f"\n{number}. {line.words}:\n" in shown
    for claim in derivation.claims:
        assert f"✓ {claim}" in shown
    assert shown.endswith(f"{derivation.verdict}\n")


def test_latex_is_a_whole_document_whose_braces_and_environments_close(derivation):
    shown = render_latex(derivation)
    assert shown.startswith(r"\documentclass")
    assert shown.count("{") == shown.count("}")
    for name in ("document", "enumerate", "itemize", "matrix"):
        assert shown.count(rf"\begin{{{name}}}") == shown.count(rf"\end{{{name}}}") > 0 or name == "matrix"
    assert shown.count(r"\item") == len(derivation.lines) + len(derivation.claims)
    words = re.sub(r"\$[^$]*\$|\\\[.*?\\\]", "", shown, flags=re.DOTALL)
    assert words.isascii(), re.findall(r"[^\x00-\x7f]", words)


def test_html_draws_every_step_in_mathml_without_a_script(derivation):
    shown = render_html(derivation)
    page = Page(shown)
    drawn = re.findall(r"<math.*?</math>", shown, re.DOTALL)
    assert len(drawn) == sum(len(line.right) for line in derivation.lines)
    for formula in drawn:
        ElementTree.fromstring(formula.replace("&", "&amp;") if "&" in formula else formula)
    assert "script" not in {tag for tag, _ in page.seen}
    assert derivation.verdict in "".join(page.words)


def test_softmax_and_cross_entropy_end_in_p_minus_t():
    lines = {line.words: line.right for line in derive("softmax-cross-entropy", 3).lines}
    product = lines["The chain rule: the 1/p cancels"][-1]
    assert product == lines["That is p - t, with t the label one-hot"][0]
    assert [str(element) for element in product] == ["p_0_0 - 1", "p_0_1", "p_0_2"]


def test_in_a_network_the_quotients_of_loss_and_softmax_have_cancelled():
    lines = [line for line in derive_network(Network.mlp(2, 2, 2), 1).lines if str(line.left) == "∂L/∂z₂"]
    assert [str(element) for element in lines[0].right[0]] == ["p_0_0 - 1", "p_0_1"]


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
