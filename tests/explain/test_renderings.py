"""Every rendering shows every step, its formula, shape, numbers and shortcut, and breaks at no name."""

import dataclasses
import re
from html.parser import HTMLParser

import pytest
from explain.explained import HOSTILE, explained

from backprop.explain import render_html, render_markdown, render_text
from backprop.explain.html import colour

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
    below_each_other = {"width": 100} if name == "text" else {}  # a sentence in a column is folded
    shown = words_of(RENDERINGS[name](explanation, **below_each_other), name)
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
    (heading,) = [line for line in lines if line.strip().startswith("FULL-JACOBIAN")]
    between = heading.index("│")
    body = lines[lines.index(heading) + 2 :]
    assert {line.index("│") for line in body if "│" in line} == {between}
    assert any(line.startswith(" 3. z₂") and line[between:].startswith("│ z₂ =") for line in body)
    assert any(line.startswith(" 4. p") and line[between:] == "│ not formed" for line in body)
    assert between < 100


def test_text_for_a_narrow_terminal_is_one_below_the_other():
    shown = render_text(explained(), width=80)
    assert "│" not in shown
    assert "── 1. z₁\nboth:\n   z₁ = " in shown
    assert "short-form: not formed" in shown


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_of_text_is_longer_than_the_terminal_and_no_number_is_lost(width):
    explanation = explained(sizes=(12, 8, 3))
    lines = render_text(explanation, width).splitlines()
    assert max(map(len, lines)) <= width
    block = [line.strip() for line in lines]
    start = next(k for k, line in enumerate(block) if line.startswith("∂z₁/∂W₁ ="))
    end = next(k for k, line in enumerate(block) if k > start and "not formed" in line)
    first = [line.split()[1:] for line in block[start:end] if line.startswith("o=0 ")]
    sizes = explanation.traces[0].find("∂z₁/∂W₁").array[:, 0].size
    assert sum(map(len, first)) == sizes


# The order of reading, and the answer first


@pytest.mark.parametrize("name", RENDERINGS)
def test_steps_are_numbered_in_the_order_in_which_they_are_read(name):
    explanation = explained("full-jacobian", "short-form")
    shown = words_of(RENDERINGS[name](explanation), name)
    places = [shown.index(f"{row.number}. {row.name} ") for row in explanation.rows]
    assert places == sorted(places)
    assert [row.number for row in explanation.rows] == list(range(1, len(explanation.rows) + 1))


@pytest.mark.parametrize("name", RENDERINGS)
def test_how_many_numbers_each_way_forms_is_said_before_the_first_step(name):
    explanation = explained("full-jacobian", "short-form")
    shown = words_of(RENDERINGS[name](explanation), name)
    top = shown[: shown.index("samples of a batch")]
    for trace in explanation.traces:
        assert f"{trace.numbers:,}" in top
    assert "Largest difference between the two gradients" in top
    assert "353 numbers against 67: full-jacobian and short-form on 3-4-2" in top


@pytest.mark.parametrize("name", RENDERINGS)
def test_what_a_strategy_does_not_form_is_drawn_as_such(name):
    shown = words_of(RENDERINGS[name](explained("full-jacobian", "short-form")), name)
    assert "∂L/∂z₂ = 1/n ∂ℓ/∂z₂[n,i]" in shown
    shown = re.sub(r"[\s│]+", " ", shown)
    assert shown.count("drawn to be compared, full-jacobian does not form it: ∂L is 1/n of ∂ℓ") == 3


def test_green_is_the_gradient_alone_and_a_loss_is_a_value():
    explanation = explained("full-jacobian", "layerwise-vjp")
    names = explanation.traces[0].names
    for trace in explanation.traces:
        for step in (*trace.given, *trace.steps):
            of_parameter = step.name.startswith("∂L/∂") and names.is_parameter(step.name[4:])
            assert (colour(step, names) == "gradient") == of_parameter, step.name
    loss = explanation.traces[0].find("L"), explanation.traces[0].find("ℓ")
    assert {colour(step, names) for step in loss} == {"value"}
