"""Pages in real Chromium: what they say and ask for is kept."""

import contextlib
import shutil

import pytest

PHONE, PAPER = (390, 844), (718, 1000)
"""Paper is A4 between its margins, at 96 dots an inch."""


@contextlib.contextmanager
def chromium():
    """Chromium, for a fixture; where it is not installed, the test is skipped."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (pip install --group browser)"
    )
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    path = next(filter(None, found), None)
    if path is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


def open_page(browser, address, size, **options):
    """The page in a window of that size, with all it says and asks for."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, **options)
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("dialog", lambda dialog: page.said.append(dialog.message))
    page.on("request", lambda request: page.asked.append(request.url))
    page.set_default_timeout(20_000)
    page.goto(address)
    return page


def assert_dark_in_the_dark(light, dark):
    """The page in a light and in a dark setting: its background follows, and its text stands out."""

    def brightness(page, what):
        colour = page.evaluate(f"getComputedStyle(document.body).{what}")
        return sum(int(part) for part in colour.split("(")[1].rstrip(")").split(",")[:3])

    assert brightness(light, "backgroundColor") > 700 > 150 > brightness(light, "color")
    assert brightness(dark, "backgroundColor") < 100 < 600 < brightness(dark, "color")
