"""Every rendering shows every step, its formula, shape, numbers and shortcut, and breaks at no name."""

import dataclasses
import re
from html.parser import HTMLParser

import pytest
from explain.explained import HOSTILE, explained

from backprop.explain import render_html, render_markdown, render_text

RENDERINGS = {"text": render_text, "markdown": render_markdown, "html": render_html}
VOID = {"meta", "link"}


class Page(HTMLParser):
    """A page read strictly: every tag is closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def words_of(rendered, name):
    """The text that a reader of a rendering sees."""
    if name == "html":
        return re.sub(r"\s+", " ", " ".join(Page(rendered).words))
    return re.sub(r"\s+", " ", rendered.replace("`", ""))


@pytest.mark.parametrize("name", RENDERINGS)
@pytest.mark.parametrize("options", [{}, {"loss": "mean-squared-error", "activation": "tanh"}], ids=str)
def test_every_step_is_shown_with_formula_shape_size_and_shortcut(name, options):
    explanation = explained("full-jacobian", "layerwise-vjp", **options)
    shown = words_of(RENDERINGS[name](explanation), name)
    for column, trace in enumerate(explanation.traces):
        for step in trace.steps:
            assert f"{step.name} = {step.formula}" in shown
            if step.array.ndim:
                assert f"{step.shape_letters} = {step.shape_numbers}, {step.array.size} number" in shown
            assert not step.zeros or f"{step.zeros:.0%} zero" in shown
            shortcut = explanation.shortcut(column, step)
            assert shortcut is None or re.search(
                rf"{shortcut.strategy} avoids this (matrix|step): {re.escape(shortcut.reason)}", shown
            )
    for step in explanation.traces[0].given:
        assert f"{step.shape_letters} = {step.shape_numbers}" in shown


@pytest.mark.parametrize("name", RENDERINGS)
def test_numbers_are_shown(name):
    explanation = explained()
    shown = words_of(RENDERINGS[name](explanation), name)
    for value in explanation.traces[0].find("∂z₂/∂W₂").array.reshape(-1):
        assert (f"{value:.3f}" if value else "·") in shown


@pytest.mark.parametrize("name", RENDERINGS)
def test_the_agreement_of_both_is_said(name):
    explanation = explained()
    assert explanation.difference < 1e-15
    assert f"Largest difference between the two gradients: {explanation.difference:.1e}." in words_of(
        RENDERINGS[name](explanation), name
    )


@pytest.mark.parametrize("name", RENDERINGS)
def test_one_strategy_alone_is_shown_without_a_second_column(name):
    shown = words_of(RENDERINGS[name](explained("short-form")), name)
    assert "not formed" not in shown
    assert "Largest difference" not in shown


def hostile():
    explanation = explained()
    traces = tuple(dataclasses.replace(trace, strategy=HOSTILE) for trace in explanation.traces)
    return dataclasses.replace(explanation, traces=traces)


def test_html_escapes_a_name():
    page = Page(render_html(hostile()))
    assert HOSTILE in "".join(page.words)
    assert "<b>`" not in render_html(hostile())


def test_markdown_keeps_a_name_in_code_and_its_table_whole():
    shown = render_markdown(hostile())
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}
    assert "`` odd|<b>`name` *two*& ``" in shown


def test_html_asks_for_nothing_and_runs_nothing():
    page = Page(render_html(explained()))
    assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in page.seen}
    for tag, attributes in page.seen:
        for attribute in ("src", "href"):
            assert attributes.get(attribute, "data:,").startswith("data:"), tag
    assert "url(" not in render_html(explained())


# Text in columns


def test_text_stands_in_two_columns_where_they_fit():
    lines = render_text(explained()).splitlines()
    (heading,) = [line for line in lines if line.startswith("FULL-JACOBIAN")]
    between = heading.index("│")
    body = lines[lines.index(heading) + 2 :]
    assert {line.index("│") for line in body if "│" in line} == {between}
    assert any(line.startswith("3. z₂") and "3. z₂" in line[between:] for line in body)


def test_text_for_a_narrow_terminal_is_one_below_the_other():
    shown = render_text(explained(), width=80)
    assert "│" not in shown
    assert "── z₁, both" in shown
    assert "short-form: not formed" in shown
    prose = [line for line in shown.splitlines() if not line.startswith("   ")]
    assert max(map(len, prose)) <= 80
