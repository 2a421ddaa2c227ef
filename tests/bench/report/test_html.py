"""The page is whole by itself, the same for the same run, and cannot be broken by a name."""

import json
import re
from html.parser import HTMLParser

import pytest
from rows import RUN, agreement, described, left_out, record, timed, write_journal, wrong
from tables import sentence

from backprop.bench.journal import Run
from backprop.bench.report import html, pictures, write_page
from backprop.errors import RecordError

pytestmark = pytest.mark.skipif(not pictures.available(), reason=f"no page without {pictures.NEEDED}")

EVIL = "<script>alert(1)</script>"
VOID = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """The elements of a page, each with its attributes and its text; every one that opens is closed."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        element = (tag, dict(attrs), [])
        self.found.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, text):
        for _, _, texts in self.open:
            texts.append(text)

    def all(self, tag, **attributes):
        """Text of every element of this kind with these attributes."""
        return [
            "".join(texts)
            for name, found, texts in self.found
            if name == tag and attributes.items() <= found.items()
        ]


def text_of(*rows, agreements=(), folder=None, **run):
    loaded = Run(described(**run), list(rows), list(agreements))
    return html.render(loaded, folder)


@pytest.fixture
def render(tmp_path):
    return lambda *rows, **more: text_of(*rows, **{"folder": tmp_path} | more)


def data_of(text):
    (data,) = Page(text).all("script", id="charts")
    return json.loads(data)


def test_the_page_asks_for_nothing_and_says_so_to_the_browser(render):
    page = Page(render(record(), record("vjp", 2e-3)))
    for _, attributes, _ in page.found:
        for name in ("src", "href", "action", "srcset"):
            assert attributes.get(name, "#").startswith(("#", "data:,")), attributes
    (policy,) = [a["content"] for tag, a, _ in page.found if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


def test_it_opens_with_the_answer(render):
    page = Page(render(record(), record("vjp", 40e-3), record("dense", 9.0)))
    assert page.all("h1") == page.all("title") == ["The same gradient: 1x, 40x, 9,000x the time"]


def test_a_busy_machine_is_said_in_the_headline_and_never_beside_a_green_tick(render):
    busy = {"unstable": "31% of the processor's time was stolen by the host"}
    for rows in ([record(**busy)], [record(**busy), record("vjp", 2e-3, **busy)]):
        page = Page(render(*rows))
        assert page.all("h1")[0] == page.all("title")[0]
        assert page.all("h1")[0].startswith("Unstable: do not publish. ")
        assert page.all("p", **{"class": "verdict good"}) == []
        assert page.all("p", **{"class": "verdict doubt"})[0].endswith("unstable: do not publish.")


def test_one_unstable_cell_of_another_scenario_takes_the_tick_away_and_leaves_the_headline(render):
    page = Page(render(record(), record("vjp", 2e-3), record(scenario="s", parameters=5, unstable="drift")))
    assert page.all("h1") == ["The same gradient: 1x, 2.00x the time"]
    assert page.all("p", **{"class": "verdict good"}) == []
    assert page.all("p", **{"class": "verdict doubt"})[0].startswith("1 of 3 measured cells is unstable")


def test_one_strategy_alone_has_no_bar_and_its_time_is_said_once_above_the_table(render):
    text = render(record(time=7e-3))
    assert data_of(text)["bars"] is None
    header = Page(text).all("header")[0]
    assert header.count("7 ms") == 1


def test_every_chart_opens_with_the_scenario_of_the_answer(render):
    limits = {"limit_flops_per_s": 1e10, "limit_bytes_per_s": 1e9, "flops_share": 0.2, "bandwidth_share": 0.5}
    rows = [
        record(name, dtype=dtype, parameters=parameters, **limits)
        for dtype, parameters in (("float64", 23), ("float64", 90), ("float32", 23), ("float32", 91))
        for name in ("short-form", "vjp")
    ]
    text = render(*rows, agreements=[agreement("short-form", "vjp", dtype=d) for d in ("float64", "float32")])
    data = data_of(text)
    first = data["first"]
    assert data["roofs"][first["roof"]]["label"] == "float32, 1 thread"
    assert data["agreement"][first["pair-group"]]["label"] == "toy, float32"
    assert data["sweeps"][first["sweep"]]["label"] == "all networks, batch 8, float32"


def test_every_row_of_every_table_is_as_wide_as_its_head(render):
    text = render(
        *(timed(name, 2e-3) for name in ("short-form", "b")), left_out(), agreements=[agreement("a", "b")]
    )
    for table in re.findall(r"(?s)<table.*?</table>", text.partition("</main>")[0]):
        head, *rows = re.findall(r"(?s)<tr.*?</tr>", table)
        widths = {len(re.findall(r"<t[hd][ >]", row)) for row in rows if "colspan" not in row}
        assert widths == {len(re.findall(r"<t[hd][ >]", head))}


def test_a_column_in_which_no_cell_has_anything_is_left_out(render):
    heads = Page(render(record(test_accuracy=None))).all("th", scope="col")
    assert "accuracy" not in heads
    assert "#" not in heads
    ranked = Page(render(record(rank_best=1, rank_worst=2))).all("th", scope="col")
    assert {"#", "accuracy"} <= set(ranked)


def test_what_was_left_out_is_open_where_nothing_else_is_there(render):
    def is_open(*rows):
        return re.search(r'<section id="left-out"><details class="part" open>', render(*rows)) is not None

    assert is_open(left_out())
    assert not is_open(record(), left_out())


def test_a_name_is_text_wherever_it_stands(render):
    rows = [
        record(),
        record(EVIL, scenario=EVIL, network=EVIL, dtype=EVIL),
        record(EVIL),
        wrong(EVIL + "2", reason=EVIL),
        left_out(EVIL + "3", reason=EVIL, predicted_time_s=1.0),
    ]
    text = render(
        *rows, agreements=[agreement(EVIL, "b", scenario=EVIL)], command=EVIL, notes=[EVIL], data=EVIL
    )
    assert EVIL not in text
    assert text.count("<script") == Page(text).all("script").__len__() == 3
    assert EVIL in Page(text).all("th", scope="row")
    assert data_of(text)["series"][EVIL]["colour"].startswith("var(--s")


def test_the_same_run_makes_the_same_page(tmp_path):
    rows = [record(), record("vjp", 2e-3), wrong(), left_out(), agreement("short-form", "vjp")]
    folder = write_journal(tmp_path, *rows)
    first = write_page(folder).read_bytes()
    assert write_page(folder).read_bytes() == first
    assert write_page(folder / "records.jsonl") == folder / "report.html"


def test_a_run_without_a_cell_says_so_and_how_it_was_made(render):
    page = Page(render(command="backprop run --suite mine.toml"))
    assert page.all("h1") == ["No cell was measured"]
    assert page.all("code", id="command") == ["backprop run --suite mine.toml"]
    assert "The run holds no cell: nothing was measured, nothing was left out." in page.all("p")
    assert page.all("table") == []


def test_a_run_whose_cells_were_all_left_out_says_so_with_the_reasons(render):
    page = Page(render(left_out("dense", "crashed", reason="killed by signal 9")))
    assert page.all("h1") == ["No cell was measured"]
    assert "killed by signal 9" in page.all("td")


def test_wrong_gradients_are_named_before_everything_else(render):
    page = Page(render(record(), wrong("missing-mean")))
    (said,) = page.all("p", **{"class": "verdict bad"})
    assert "missing-mean (toy, float64)" in said
    assert page.all("p", **{"class": "verdict good"}) == []
    (right,) = Page(render(record())).all("p", **{"class": "verdict good"})
    assert "within the tolerance" in right
    assert page.all("p", **{"class": "lede"}) == [
        "short-form needs 9.3 kB of memory and gives a gradient with 16 right digits."
    ]


def test_every_table_has_a_caption_and_headers_with_a_scope(render):
    text = render(record(noise_floor=1.02), left_out(), agreements=[agreement("a", "b")])
    page = Page(text)
    tables = len(page.all("table"))
    assert tables >= 4
    assert len([caption for caption in page.all("caption") if caption.strip()]) == tables
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes, _ in page.found if tag == "th")


def test_every_control_has_a_label_and_every_link_its_target(render):
    page = Page(render(record(), left_out()))
    ids = {attributes["id"] for _, attributes, _ in page.found if "id" in attributes}
    links = [attributes["href"] for tag, attributes, _ in page.found if tag == "a"]
    assert "#ranking" in links
    assert all(link.removeprefix("#") in ids for link in links)
    labelled = re.findall(r"<label>[^<]+<(select|input)", render(record(), left_out()))
    assert len(labelled) == len([tag for tag, _, _ in page.found if tag in ("select", "input")])


def test_the_noise_floor_the_machine_and_the_notes_are_there(render):
    machine = {"cpu": "A processor", "cores": 2, "threads": 1, "versions": {"numpy": "2.4"}}
    page = Page(render(record(noise_floor=1.034, starts=5), machine=machine, notes=["It was not pinned."]))
    assert "1.034" in page.all("td")
    assert "A processor, 2 cores" in page.all("dd")
    assert page.all("p", **{"class": "note"})[0] == "It was not pinned."
    assert "Unknown: only backprop run measures one strategy under two names." in "".join(
        Page(render(record())).all("section")
    )


def test_hosts_are_listed_where_there_are_several(render):
    one = render(record(host="a", cpu="fast"))
    two = render(record(host="a", cpu="fast"), record("b", host="b", cpu="slow", scenario="small"))
    assert "The hosts that took part" not in one
    assert {"fast", "slow"} <= set(Page(two).all("td"))


def test_curves_come_from_the_accuracy_beside_the_run(render, tmp_path):
    assert "backprop accuracy --out" in render(record())
    (tmp_path / "accuracy").mkdir()
    (tmp_path / "accuracy" / "accuracy.csv").write_text(
        "experiment,strategy,dtype,step,logit_scale,error\n"
        "step,finite-differences,float64,1e-5,,1e-9\nstep,finite-differences,float64,1e-2,,1e-4\n"
    )
    text = render(record())
    (curve,) = data_of(text)["curves"]
    assert [row["bottom"] for row in curve["rows"]] == [False, False, True]
    assert "backprop accuracy --out" not in text


def test_a_thousand_predicted_cells_fit_into_three_megabytes(render):
    rows = [
        left_out(
            f"strategy-{k % 20}", "predicted", scenario=f"w{k // 20}", parameters=k + 1, reason="would fit"
        )
        for k in range(1000)
    ]
    text = render(*rows)
    assert len(text.encode()) < 3_000_000
    assert text.count("<tr data-scenario") == 2000


def test_more_rows_than_a_page_has_room_for_are_counted(render, monkeypatch):
    monkeypatch.setattr(html, "MOST_ROWS", 2)
    text = render(*(record(f"s{k}") for k in range(5)))
    assert text.count("<tr data-scenario") == 2
    assert "3 more rows are in results.csv beside this page." in text


def test_the_chart_library_is_bundled_once_for_all_pages_where_it_can_be_kept(monkeypatch, tmp_path):
    import vl_convert

    bundled = iter(("a</script>", "again", "b", "c"))
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda: next(bundled))
    monkeypatch.setattr(html, "user_cache", lambda: tmp_path / "new" / "folder")
    assert [html.chart_library() for _ in range(2)] == ["a<\\/script>"] * 2
    (kept,) = (tmp_path / "new" / "folder").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    assert html.chart_library() == "again", "a file that was cut short is not taken"
    monkeypatch.setattr(html, "version", lambda package: "another")
    assert html.chart_library() == "b"
    monkeypatch.setattr(html, "user_cache", lambda: tmp_path / "file")
    (tmp_path / "file").touch()
    assert html.chart_library() == "c"


def test_without_the_extra_it_is_one_sentence(render, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(html.PageError, match="pip install") as caught:
        render(record())
    sentence(caught.value)


def test_records_of_a_newer_format_make_no_page(tmp_path):
    folder = write_journal(tmp_path, record(), run=RUN | {"format": 99})
    with pytest.raises(RecordError, match="newer version"):
        write_page(folder)
    assert not (folder / "report.html").exists()
