"""The pages in real Chromium: on a phone, on a screen in the dark, and on paper."""

import pytest
from browser import PAPER, PHONE, assert_dark_in_the_dark, chromium, open_page
from explain.explained import explained

from backprop import Network
from backprop.explain import render_html
from backprop.explain.symbolic import derive, derive_network
from backprop.explain.symbolic import render_html as render_derivation

pytestmark = pytest.mark.processes

PAGES = {
    "explain": lambda: render_html(explained()),
    "explain wide": lambda: render_html(
        explained("full-jacobian-naive", "batched-jacobian", activation="gelu", n=3)
    ),
    "explain one": lambda: render_html(explained("short-form", loss="mean-squared-error")),
    "derive": lambda: render_derivation(derive("softmax-cross-entropy", 4)),
    "derive network": lambda: render_derivation(derive_network(Network.mlp(3, 4, 2), 1)),
}
SCREEN = (1200, 900)


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module", params=PAGES)
def address(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(PAGES[request.param](), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    """Opens the page in a window of a size; what it says and asks for is kept."""
    pages = []

    def open_it(size, **options):
        pages.append(open_page(browser, address, size, **options))
        return pages[-1]

    yield open_it
    for page in pages:
        page.close()


def widest(page):
    """How far to the right the document reaches."""
    return page.evaluate("document.documentElement.scrollWidth")


@pytest.mark.parametrize("size", [PHONE, SCREEN], ids=["phone", "screen"])
def test_nothing_is_said_nothing_is_fetched_and_nothing_scrolls_sideways(opened, address, size):
    page = opened(size)
    assert page.said == []
    assert page.asked == [address]
    assert widest(page) <= size[0]


def test_on_a_phone_text_is_large_enough_and_a_wide_matrix_scrolls_by_itself(opened):
    page = opened(PHONE)
    sizes = page.evaluate(
        "[...document.querySelectorAll('p, td, h1, h2, h3, li')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12
    cut = page.evaluate(
        """[...document.querySelectorAll('table, math')].filter(element => {
            let box = element;
            while (box && !['auto', 'scroll'].includes(getComputedStyle(box).overflowX)) box = box.parentElement;
            return !box && element.getBoundingClientRect().right > innerWidth;
        }).length"""
    )
    assert cut == 0


def test_in_the_dark_the_page_is_dark_and_its_text_light(opened):
    light, dark = opened(SCREEN, color_scheme="light"), opened(SCREEN, color_scheme="dark")
    assert_dark_in_the_dark(light, dark)


def test_on_paper_no_number_is_cut_off(opened):
    page = opened(PAPER)
    page.emulate_media(media="print")
    right = page.evaluate(
        "Math.max(0, ...[...document.querySelectorAll('td')].map(e => e.getBoundingClientRect().right))"
    )
    assert right <= PAPER[0]
    formulas = page.evaluate("Math.max(0, ...[...document.querySelectorAll('math')].map(e => e.scrollWidth))")
    assert formulas <= 2 * PAPER[0]  # up to twice the paper, Chromium shrinks a page to fit
    assert page.pdf(format="A4").startswith(b"%PDF")
