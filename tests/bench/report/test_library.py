"""The chart library is bundled once and kept; a kept file that was cut short is made again."""

import pytest

from backprop.bench.report import html


@pytest.fixture
def kept(tmp_path, monkeypatch):
    path = tmp_path / "cache" / "vega.js"
    made = []

    def bundled():
        made.append(1)
        return "let a = '</script><!--';"

    monkeypatch.setattr(html, "_cache", lambda: path)
    monkeypatch.setattr(html, "_bundled", bundled)
    html.chart_library.cache_clear()
    yield path, made
    html.chart_library.cache_clear()


def again():
    html.chart_library.cache_clear()
    return html.chart_library()


def test_it_is_made_once_and_safe_inside_a_script(kept):
    path, made = kept
    first = again()
    assert again() == first == "let a = '<\\/script><\\!--';"
    assert (len(made), path.exists()) == (1, True)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("spoil", [lambda text: text[:-3], lambda text: text + "x", lambda text: ""])
def test_a_spoilt_file_is_made_again(kept, spoil):
    path, made = kept
    first = again()
    path.write_text(spoil(path.read_text()))
    assert again() == first
    assert len(made) == 2


def test_a_cache_that_cannot_be_written_is_none(kept):
    path, _ = kept
    path.parent.write_text("a file where the folder should be")
    assert again().startswith("let a")
