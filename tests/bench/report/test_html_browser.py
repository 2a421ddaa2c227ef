"""The page in real Chromium: it sorts and filters, says and asks for nothing, and fits phone, screen and paper."""

from pathlib import Path

import pytest
from browser import PAPER, PHONE, assert_dark_in_the_dark, chromium, open_page
from rows import agreement, described, left_out, record, timed, wrong

from backprop.bench.estimates import read_run
from backprop.bench.journal import Run
from backprop.bench.report import html, pictures

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not pictures.available(), reason=f"no page without {pictures.NEEDED}"),
]

SCREEN = (1440, 1000)
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"
LIMITS = {"limit_flops_per_s": 1e10, "limit_bytes_per_s": 1e9, "flops_share": 0.25, "bandwidth_share": 0.5}
ACCURACY = (
    "experiment,strategy,dtype,step,logit_scale,error\n"
    "step,finite-differences,float64,1e-5,,1e-9\nstep,finite-differences,float64,1e-2,,1e-4\n"
    "logit-scale,short-form,float64,,1,1e-16\nlogit-scale,short-form,float64,,100,inf\n"
)


def whole():
    """Every section has something to show: sizes, dtypes, statuses, pairs, limits, and a name that is code."""
    rows, pairs = [], []
    for dtype in ("float32", "float64"):
        for n in (1, 8, 64):
            place = {"scenario": f"mnist-{n}", "dtype": dtype, "batch_size": n}
            noise = {"noise_floor": 1.02, "starts": 5, "ratio_low": 0.99, "ratio_high": 1.01}
            rows += [
                record("short-form", 1e-4 * n, **place, **noise, **LIMITS),
                record(
                    "layerwise-vjp",
                    2e-4 * n,
                    **place,
                    **LIMITS,
                    time_low_s=1.9e-4 * n,
                    time_high_s=2.1e-4 * n,
                ),
                record(EVIL, 0.3 * n, **place),
                wrong("wrong", **place),
                left_out("finite-differences", "over-time-budget", **place, predicted_time_s=500.0),
            ]
            pairs.append(agreement("short-form", "layerwise-vjp", scenario=place["scenario"], dtype=dtype))
            apart = {"distance": 0.5, "agrees": False}
            pairs.append(agreement("short-form", EVIL, scenario=place["scenario"], dtype=dtype, **apart))
    return rows, pairs


def predicted():
    """A thousand cells, and none that ran."""
    return [
        left_out(
            f"strategy-{k % 20}",
            "predicted",
            scenario=f"width-{k // 20}",
            network=f"784-{16 + k // 20}-10 relu",
            parameters=795 * (16 + k // 20),
            predicted_time_s=1e-5 * (k + 1),
            reason="it would fit; only a prediction was asked for (--predict)",
        )
        for k in range(1000)
    ], []


REFERENCE = Path(__file__).parents[3] / "results" / "reference"
PEERS = {
    "short-form": 1e-3, "torch-grad": 2e-3, "batched-jacobian": 3e-2, "torch-jacrev": 6e-2, "forward-mode": 1e-1,
    "jax-jacfwd": 2e-1,
}  # fmt: skip


def busy():
    """A machine that was busy: wide intervals, long reasons, long names."""
    place = {
        "network": "784-512-10 relu cross-entropy",
        "parameters": 407_050,
        "scenario": "mnist-32-threads-2",
    }
    why = (
        "start 1 differs by 21%; drift: the second half took 1.31 times the first; 12% of the time was stolen"
    )
    rows = [
        timed(
            name,
            time,
            **place,
            unstable=why,
            ratio_low=300 * time,
            ratio_high=6000 * time,
            rank_best=1,
            rank_worst=6,
        )
        for name, time in PEERS.items()
    ]
    own = "by-hand-with-all-sums-written-out-in-full"
    rows.append(
        left_out(own, "over-memory-budget", **place, reason="13 calls of about 80 s; the budget is 60 s")
    )
    return rows, [agreement("short-form", "torch-grad", scenario=place["scenario"])]


RUNS = {"whole": whole, "busy": busy, "predicted": predicted, "empty": lambda: ([], [])}


DRAWN = """[...document.querySelectorAll('.chart')].every(
    place => place.hidden || place.querySelector('svg') || place.closest('details:not([open])'))"""


def unfold(page):
    """Open every part, draw what is in it, and show every row."""
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    page.wait_for_function(DRAWN)
    page.locator("#filters button").click()


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """By name of a run: the address of its page."""
    found = {}
    for name, make in RUNS.items():
        folder = tmp_path_factory.mktemp(name)
        if name == "whole":
            (folder / "accuracy.csv").write_text(ACCURACY, encoding="utf-8")
        rows, pairs = make()
        text = html.render(Run(described(), rows, pairs), folder)
        (folder / html.NAME).write_text(text, encoding="utf-8")
        found[name] = (folder / html.NAME).as_uri()
    for name in (".", "peers"):
        page = tmp_path_factory.mktemp("reference") / html.NAME
        page.write_text(html.render(read_run(REFERENCE / name), REFERENCE / name), encoding="utf-8")
        found[name] = page.as_uri()
    return found


def drawn(browser, address, size, **options):
    """The page, with all it said and asked for, once its charts are drawn."""
    page = open_page(browser, address, size, **options)
    page.wait_for_function(DRAWN)
    return page


@pytest.fixture
def opened(browser, addresses):
    """`opened(name, size)`: a page of the test's own."""
    pages = []

    def open_run(name="whole", size=SCREEN, **options):
        pages.append(drawn(browser, addresses[name], size, **options))
        return pages[-1]

    yield open_run
    for page in pages:
        page.close()


@pytest.fixture(scope="module")
def seen(browser, addresses):
    """`seen(name, size)`: a page that is opened once, for tests that only look at it."""
    pages = {}

    def once(name="whole", size=SCREEN):
        if (name, size) not in pages:
            pages[name, size] = drawn(browser, addresses[name], size)
        return pages[name, size]

    yield once
    for page in pages.values():
        page.close()


def shown(page, name="strategy"):
    """The texts of a column of the ranked table, of the rows that can be seen."""
    return page.evaluate(
        """column => [...document.querySelectorAll('#cells tbody tr')].filter(row => !row.hidden)
            .map(row => row.cells[column].firstChild?.textContent ?? '')""",
        column(page, name),
    )


def column(page, name):
    """The position of a column of the ranked table."""
    return [one.text_content() for one in page.locator("#cells thead th").all()].index(name)


def choice(page, label):
    """The list with this label, as a screen reader finds it."""
    return page.get_by_role("combobox", name=label, exact=True)


def header(page, name):
    return page.locator("#cells thead button", has_text=name).first


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("size", [PHONE, SCREEN], ids=["phone", "screen"])
def test_nothing_is_said_nothing_is_fetched_and_nothing_scrolls_sideways(
    seen, addresses, name, size, tmp_path
):
    page = seen(name, size)
    assert page.said == []
    assert page.asked == [addresses[name]]
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    path = tmp_path / "page.png"
    page.screenshot(path=path, full_page=True)
    assert path.stat().st_size > 10_000


@pytest.mark.parametrize("name", ["busy", "whole", "."])
def test_at_a_screens_width_no_table_and_no_text_is_cut(opened, name):
    page = opened(name)
    unfold(page)
    cut = page.evaluate(
        """[...document.querySelectorAll('.scroll, td, th, small, summary, p, dd')]
            .filter(box => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1)
            .filter(box => getComputedStyle(box).display !== 'inline').map(box => box.textContent.slice(0, 80))"""
    )
    assert cut == []
    assert outside_of_charts(page) == []


@pytest.mark.parametrize("name", ["busy", "."])
def test_on_a_phone_no_text_of_a_chart_is_cut(opened, name):
    page = opened(name, PHONE)
    unfold(page)
    assert outside_of_charts(page) == []


def outside_of_charts(page):
    """The texts that are not wholly within their chart."""
    return page.evaluate(
        """[...document.querySelectorAll('svg text')].filter(text => {
            const own = text.getBoundingClientRect(), svg = text.closest('svg').getBoundingClientRect();
            return own.width && (own.left < svg.left - 1 || own.right > svg.right + 1);
        }).map(text => text.textContent)"""
    )


@pytest.mark.parametrize("size", [PHONE, SCREEN], ids=["phone", "screen"])
def test_no_line_runs_through_a_number_of_the_bars_and_none_is_cut_off(seen, size):
    page = seen("busy", size)
    boxes = (
        "(chosen) => [...document.querySelectorAll(`#bars svg ${chosen}`)].map(e => e.getBoundingClientRect())"
        ".map(({left, top, right, bottom}) => [left, top, right, bottom])"
    )
    lines = page.evaluate(boxes, "line")
    texts = page.evaluate(boxes, "text")
    bars = len(PEERS) + 1
    assert len(texts) >= 2 * bars
    assert len(lines) >= len(PEERS)
    for left, top, right, bottom in texts:
        assert 0 <= left < right <= size[0]
        crossed = [
            one for one in lines if one[0] < right and left < one[2] and one[1] < bottom and top < one[3]
        ]
        assert crossed == []


@pytest.mark.parametrize("name", [".", "peers"])
def test_on_a_phone_what_nobody_asked_for_is_folded_and_the_page_is_short(opened, name):
    page = opened(name, PHONE)
    assert page.evaluate("document.documentElement.scrollHeight") < 6000
    assert page.locator("details[open]").count() == 0
    page.locator("#limits summary").first.click()
    page.wait_for_selector("#roofline svg")


def test_a_link_opens_the_part_that_it_leads_to(opened):
    page = opened()
    assert not page.locator("#out").is_visible()
    page.get_by_role("link", name="Left out", exact=True).click()
    page.locator("#out").wait_for(state="visible")
    page.locator("#left-out summary").click()
    page.get_by_role("link", name="Left out", exact=True).click()
    page.locator("#out").wait_for(state="visible")


def test_for_paper_the_charts_are_drawn_as_wide_as_paper_is_and_afterwards_as_before(opened):
    page = opened()
    width = "document.querySelector('#bars svg').getBoundingClientRect().width"
    before = page.evaluate(width)
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(width) <= PAPER[0] < before
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(width) == pytest.approx(before, abs=2)


def test_a_name_that_is_code_is_text(opened):
    page = opened()
    assert page.evaluate("document.querySelectorAll('main script, img').length") == 0
    page.locator("#filters button").click()
    assert EVIL in shown(page)
    for place in page.locator("#size-time path[aria-roledescription=point]").all():
        place.hover(force=True)
    assert page.said == []
    assert page.evaluate("document.querySelectorAll('#vg-tooltip-element :is(script, img)').length") == 0


def test_the_table_opens_with_the_ranking_of_the_answer(seen):
    page = seen()
    assert shown(page) == ["short-form", "layerwise-vjp", EVIL, "wrong", "finite-differences"]
    assert page.locator("#shown").text_content() == "5 of 30 cells"


def test_filters_narrow_the_table_and_say_to_how_much(opened):
    page = opened()
    page.locator("#filters button").click()
    assert len(shown(page)) == 30
    choice(page, "dtype").select_option("float32")
    assert len(shown(page)) == 15
    choice(page, "Status").select_option("disagrees")
    assert set(shown(page)) == {"wrong"}
    choice(page, "Scenario").select_option("mnist-8")
    assert page.locator("#shown").text_content() == "1 of 30 cells"
    page.get_by_role("searchbox").fill("VJP")
    assert shown(page) == []


def test_a_header_sorts_by_number_up_and_down_by_the_keyboard_alone(opened):
    page = opened()
    page.locator("#filters button").click()
    header(page, "time").focus()
    values = (
        "column => [...document.querySelectorAll('#cells tbody tr')].map(row => row.cells[column].dataset.v)"
    )
    for direction, sign in (("ascending", 1), ("descending", -1)):
        page.keyboard.press("Enter")
        times = [sign * float(value) for value in page.evaluate(values, column(page, "time"))]
        assert times == sorted(times)
        assert (
            page.locator("#cells th[aria-sort]", has_text="time").first.get_attribute("aria-sort")
            == direction
        )
    header(page, "error").click()
    errors = page.evaluate(values, column(page, "error"))
    missing = errors.index("")
    assert [float(value) for value in errors[:missing]] == sorted(float(value) for value in errors[:missing])
    assert set(errors[missing:]) == {""}
    header(page, "strategy").click()
    assert shown(page) == sorted(shown(page))


def test_the_first_tab_leads_past_everything_to_the_table_and_focus_can_be_seen(opened):
    page = opened()
    page.keyboard.press("Tab")
    skip = page.evaluate(
        "[document.activeElement.className, document.activeElement.getBoundingClientRect().left]"
    )
    assert (skip[0], skip[1] >= 0) == ("skip", True)
    page.keyboard.press("Enter")
    assert page.url.endswith("#ranking")
    header(page, "time").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_every_chart_has_marks_and_says_what_it_is(seen):
    page = seen()
    charts = page.locator(".chart svg")
    assert (
        charts.count() == 8
    )  # bars, three against size, pairs, roofline, error against step and logit scale
    for chart in charts.all():
        assert chart.get_attribute("aria-label") or chart.locator("[aria-label]").count()
        assert chart.locator("path[d]").count() > 3
    assert page.locator("#bars path[aria-roledescription=bar]").count() == 4


def test_a_mark_that_is_pointed_at_tells_its_figures(opened):
    page = opened()
    page.locator("#size-time path[aria-roledescription=point]").first.hover(force=True)
    said = page.locator("#vg-tooltip-element").text_content()
    for words in ("strategy", "time", "memory", "error", "fitted"):
        assert words in said


def test_another_sweep_and_fewer_strategies_change_the_charts(opened):
    page = opened()
    points = page.locator("#size-time path[aria-roledescription=point]")
    before = points.count()
    page.locator("#size-legend input").first.uncheck()
    page.wait_for_function(
        "n => document.querySelectorAll('#size-time path[aria-roledescription=point]').length < n", arg=before
    )
    page.locator("#size-legend input").first.check()
    page.wait_for_function(
        "n => document.querySelectorAll('#size-time path[aria-roledescription=point]').length === n",
        arg=before,
    )
    choice(page, "What is swept").select_option(index=1)
    choice(page, "Scenario and dtype").select_option(index=2)
    choice(page, "dtype and threads").select_option(index=1)
    page.wait_for_timeout(300)
    assert page.said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier_and_too_little_contrast_nowhere(browser, addresses, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)  # the page lets no other script in
    page = context.new_page()
    page.goto(addresses["whole"])
    page.wait_for_selector("#roofline svg")
    unfold(page)
    found = axe.Axe().run(page).response
    context.close()
    assert len(found["passes"]) > 30
    assert [(one["id"], one["help"]) for one in found["violations"]] == []


def test_in_the_dark_the_page_is_dark_and_its_text_light(opened):
    light, dark = opened(color_scheme="light"), opened(color_scheme="dark")
    assert_dark_in_the_dark(light, dark)
    text = "getComputedStyle(document.querySelector('#bars svg text')).fill"
    assert light.evaluate(text) != dark.evaluate(text)


def test_on_a_phone_text_is_large_enough_and_a_wide_table_scrolls_by_itself(seen):
    page = seen(size=PHONE)
    sizes = page.evaluate(
        "[...document.querySelectorAll('p, td, th, h1, h2, li, label, figcaption, svg text')]"
        ".filter(e => e.textContent.trim()).map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 10
    boxes = page.evaluate(
        "[...document.querySelectorAll('table')].map(e => getComputedStyle(e.parentElement).overflowX)"
    )
    assert set(boxes) == {"auto"}


def test_on_paper_no_table_and_no_chart_is_cut_off(opened):
    page = opened(size=PAPER)
    unfold(page)
    page.emulate_media(media="print")
    right = page.evaluate(
        "Math.max(...[...document.querySelectorAll('#cells td, svg')].map(e => e.getBoundingClientRect().right))"
    )
    assert right <= PAPER[0]
    boxes = page.evaluate(
        "[...document.querySelectorAll('.scroll')].map(e => getComputedStyle(e)).map(e => e.overflowX + e.maxHeight)"
    )
    assert set(boxes) == {"visiblenone"}  # paper cannot be scrolled
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_a_thousand_predicted_cells_can_still_be_sorted_and_filtered(opened):
    page = opened("predicted")
    assert page.locator("h1").text_content().startswith("No cell was measured; predicted")
    page.locator("#filters button").click()
    assert len(shown(page)) == 1000
    header(page, "time").click()
    assert shown(page, "time")[0] == "≈ 10 µs"
    choice(page, "Scenario").select_option("width-7")
    page.get_by_role("searchbox").fill("strategy-3")
    assert shown(page) == ["strategy-3"]


def test_an_empty_run_says_so(seen):
    page = seen("empty")
    assert page.locator("h1").text_content() == "No cell was measured"
    assert page.locator("table, .chart").count() == 0


def test_without_javascript_every_figure_is_there(opened, browser, addresses):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(addresses["whole"])
    assert page.locator("#cells tbody tr").count() == 30
    assert page.locator("noscript p").is_visible()
    page.close()
