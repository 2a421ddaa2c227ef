"""What README and docs/ show is so: commands can be typed, code runs, tables are those of results/reference."""

import itertools
import json
import re
import shlex
import tomllib

import build_docs
import numpy as np
import pytest
import typer
import update_pages
from command import backprop as run_backprop
from pages import PAGES, ROOT, blocks, commands

import backprop
from backprop import layers, losses
from backprop.bench.commands.app import app
from backprop.bench.suites import find_scenarios, find_suite
from backprop.bench.suites.reader import SuiteFile, read_suite
from backprop.check import KINDS
from backprop.notation import NETWORKS
from backprop.registry import find_strategy, known_peers
from backprop.verify import gradient_error, reference_gradient

APP = typer.main.get_command(app)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NO_RUN = {"docs/how-to/cluster.md"}
"""Pages whose Python needs machines that are not here."""


def code_of(page, marker):
    """The one Python block of a page that holds `marker`."""
    (found,) = [code for _, code in blocks(page, "python") if marker in code]
    return found


# Commands -------------------------------------------------------------------------------------------------


def parse(command):
    """Read a `backprop` command as the command line does, without running it; raises what it would print."""
    name, *arguments = shlex.split(command)[1:]
    if name.startswith("-"):
        with pytest.raises(typer.Exit):
            APP.make_context("backprop", [name])
        return
    if not arguments:  # as a sentence names a command
        assert name in APP.commands
        return
    given = APP.commands[name].make_context(name, arguments).params
    strategies = given.get("strategy") or []
    for one in [strategies] if isinstance(strategies, str) else strategies:
        for part in one.split(","):
            if ":" not in part:
                find_strategy(part)
    scenarios = given.get("scenario") or []
    find_scenarios([scenarios] if isinstance(scenarios, str) else scenarios)
    if (suite := given.get("suite")) and not suite.endswith(".toml"):
        find_suite(suite)


@pytest.mark.parametrize("page", PAGES)
def test_every_backprop_command_of_a_page_can_be_typed(page):
    for command in commands(page):
        if command.startswith("backprop "):
            try:
                parse(command)
            except Exception as error:
                pytest.fail(f"{command}: {error}")


@pytest.mark.parametrize(
    "wrong", ["run --sweet quick", "run --suite quik", "explain -s shortform", "train --epochs x"]
)
def test_a_command_that_cannot_be_typed_is_noticed(wrong):
    with pytest.raises(Exception, match=r"No such option|nknown|whole number"):
        parse(f"backprop {wrong}")


@pytest.mark.parametrize("page", PAGES)
def test_every_other_command_of_a_page_names_what_is_there(page):
    targets = re.findall(r"(?m)^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"))
    extras = PROJECT["project"]["optional-dependencies"]
    for command in commands(page):
        words = shlex.split(command)
        if words[0] == "make":
            assert words[1] in targets, command
        if words[0].endswith("python") and words[1].endswith(".py"):
            assert (ROOT / words[1]).exists() or f'title="{words[1]}"' in PAGES[page], command
        if words[0].endswith("python") and words[1] == "-m" and words[2].startswith("backprop"):
            module = ROOT / words[2].replace(".", "/")
            assert module.is_dir() or module.with_suffix(".py").exists(), command
        if named := re.search(r"\.\[([\w,]+)\]", command):
            assert set(named[1].split(",")) <= set(extras), command
        assert words[0] != "pip" or "backprop-bench" not in command, f"{command}: not on an index"


# Code -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python") and page not in NO_RUN])
def test_the_python_of_a_page_runs_in_its_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").symlink_to(ROOT / "results")
    rng = np.random.default_rng(0)
    names = {"inputs": rng.random((4, 784), dtype=np.float32), "labels": np.array([3, 1, 4, 1])}
    for name, code in blocks(page, "python"):
        if name:
            (tmp_path / name).write_text(code, encoding="utf-8")
        exec(compile(code, f"{page}", "exec"), names)
    if page == "README.md":
        assert names["gradient"]["W1"].shape == (784, 512)


@pytest.mark.parametrize("page", sorted(NO_RUN))
def test_python_that_needs_other_machines_can_be_compiled(page):
    for _, code in blocks(page, "python"):
        compile(code, page, "exec")


@pytest.mark.parametrize("n", [1, 8])
def test_the_strategy_that_is_shown_whole_is_a_right_one(tmp_path, n):
    path = tmp_path / "by_hand.py"
    path.write_text(code_of("docs/how-to/strategy.md", "class ByHand"), encoding="utf-8")
    strategy = backprop.find_strategy(f"{path}:ByHand")
    network = backprop.Network.mlp(9, 7, 4)
    rng = np.random.default_rng(0)
    params = network.init(rng)
    batch = network.batch(rng.standard_normal((n, 9)), rng.integers(0, 4, n), params.dtype)
    assert strategy.unsupported(network, params.dtype) is None
    assert strategy.unsupported(backprop.Network.mlp(9, 7, 4, activation="tanh"), params.dtype)
    _, gradient = strategy.value_and_gradient(strategy.prepare(network, n, params.dtype), params, batch)
    error = gradient_error(gradient, reference_gradient(network, params, batch)).relative
    assert error <= strategy.accuracy.tolerance(network, params.dtype)


@pytest.mark.parametrize(("kind", "name"), [("activation", "LeakyReLU"), ("loss", "MeanAbsoluteError")])
def test_the_layer_and_the_loss_that_are_shown_whole_are_right_ones(tmp_path, kind, name):
    path = tmp_path / "mine.py"
    path.write_text(code_of("docs/how-to/layer.md", f"class {name}"), encoding="utf-8")
    network = backprop.Network.mlp(6, 5, 3, **{kind: f"{path}:{name}"})
    rng = np.random.default_rng(0)
    params = network.init(rng)
    batch = network.batch(rng.standard_normal((4, 6)), rng.integers(0, 3, 4), params.dtype)
    expected = reference_gradient(network, params, batch)
    for one in ("full-jacobian", "batched-jacobian", "layerwise-vjp", "short-form", "forward-mode"):
        strategy = find_strategy(one)
        _, gradient = strategy.value_and_gradient(strategy.prepare(network, 4, params.dtype), params, batch)
        assert gradient_error(gradient, expected).relative <= strategy.accuracy.tolerance(
            network, params.dtype
        )


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")])
def test_the_toml_of_a_page_is_read(page, tmp_path):
    for name, text in blocks(page, "toml"):
        assert tomllib.loads(text)
        if name:
            (tmp_path / name).write_text(text, encoding="utf-8")
            assert read_suite(tmp_path / name).scenarios


# Tables and outputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if "<!-- results/" in text])
def test_the_tables_of_a_page_are_those_of_the_reference_runs(page):
    assert update_pages.updated(PAGES[page], lambda command, folder: None) == PAGES[page]


def test_the_command_of_every_committed_run_writes_into_a_folder_of_the_project():
    journals = sorted((ROOT / "results" / "reference").rglob("records.jsonl"))
    for journal in journals:
        command = json.loads(journal.read_text(encoding="utf-8").partition("\n")[0])["command"]
        assert re.search(r" --out (?!/)\S+", command), (journal, command)


def test_a_figure_that_is_not_of_the_reference_run_is_noticed():
    marked = "<!-- results/reference/check/suite.json -->\n| wrong gradients found | 1 of 310 |\n<!-- end -->"
    assert update_pages.updated(marked) != marked


NOT_REPEATED = ("train", "derive")
"""Commands whose output is not the same twice, or that take their time."""


def without_measures(text):
    """The text without its numbers and units, which differ from machine to machine, and the widths that follow."""
    text = re.sub(r"≈? ?\d[\d.,]*(e[-+]\d+)?( ?(ns|µs|ms|s|kB|MB|GB|x)\b)?", "#", text)
    return re.sub(r"[ |+-]+", " ", text)


@pytest.mark.processes
@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if "<!-- output" in text])
def test_the_outputs_of_a_page_are_what_its_commands_print(page, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # two versions of one file, within a second

    def run(command, folder):
        program, name, *arguments = shlex.split(command)
        if program == "python":
            return update_pages.printed(command, folder)
        return None if name in NOT_REPEATED else run_backprop(name, *arguments, cwd=folder, COLUMNS="80").out

    printed = update_pages.updated(PAGES[page], run)
    assert without_measures(printed) == without_measures(PAGES[page])


def test_readme_shows_a_finding_and_a_line_that_other_pages_print():
    (_, finding), (_, line) = blocks("README.md", "text")
    assert finding in PAGES["docs/tutorial/check.md"]
    assert line in PAGES["docs/how-to/gradient.md"]


# Completeness ---------------------------------------------------------------------------------------------


def test_readme_is_short():
    assert len(PAGES["README.md"].splitlines()) <= 150


def test_every_strategy_peer_and_loss_is_on_the_page_of_the_ladder():
    page = PAGES["docs/concepts/ladder.md"]
    for name in (*backprop.installed_strategies(), *known_peers()):
        library = name.partition("-")[0]
        assert f"`{name}`" in page or library in page.lower(), name
    words = " ".join(page.lower().replace("-", " ").split())
    for name in losses.LOSSES:
        assert name.replace("-", " ") in words, name


def test_every_layer_and_known_network_is_on_the_page_of_networks():
    page = build_docs.completed(PAGES["docs/reference/networks.md"])
    for name in (*layers.LAYERS, *NETWORKS):
        assert f"| `{name}` |" in page, name


def test_every_key_of_a_suite_is_explained():
    for key in SuiteFile.__struct_fields__:
        assert f"| `{key}` |" in PAGES["docs/how-to/suite.md"]


def test_every_extra_is_explained():
    for extra in PROJECT["project"]["optional-dependencies"]:
        assert f"| `{extra}` |" in PAGES["docs/tutorial/index.md"]


def test_every_page_is_in_the_navigation():
    found = re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert {f"docs/{name}" for name in found} == set(PAGES) - {"README.md"}


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_links_to_is_there(page):
    for target in re.findall(r"\]\(([^)#\s]+)", PAGES[page]):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), target


def prose(page):
    """The lines of a page outside of its code blocks."""
    return re.sub(r"(?ms)^```.*?^```$", "", PAGES[page]).splitlines()


@pytest.mark.parametrize("page", PAGES)
def test_a_screen_reader_is_told_every_picture_heading_and_column(page):
    assert not re.findall(r"!\[\s*\]\(|<img(?![^>]*alt=)", PAGES[page])
    levels = [len(mark[1]) for line in prose(page) if (mark := re.match(r"(#+) ", line))]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))
    lines = prose(page)
    heads = [lines[k - 1] for k, line in enumerate(lines) if re.fullmatch(r"\|[ :|-]+\|", line)]
    assert [head for head in heads if re.search(r"\|\s*\|", head)] == []


# The site -------------------------------------------------------------------------------------------------


def test_a_built_page_explains_every_command_and_every_kind_of_mistake():
    built = build_docs.commands()
    for name, command in APP.commands.items():
        assert f"## `backprop {name}`" in built
        for option in command.params:
            assert option.param_type_name == "argument" or option.opts[0] in built
        example = command.epilog.strip().splitlines()[0].strip()
        assert re.search(rf"\*\*Examples\*\*:\n\n```text\n{re.escape(example)}\n", built)
    assert build_docs.kinds().count("## ") == len(KINDS)


def test_every_part_that_a_page_asks_for_can_be_built():
    asked = [name for text in PAGES.values() for name in re.findall(r"<!-- built: (\w+) -->", text)]
    assert sorted(asked) == sorted(build_docs.PARTS)


def test_links_that_leave_the_docs_lead_to_a_copy_a_page_or_the_repository(tmp_path, monkeypatch):
    monkeypatch.setattr(build_docs, "PAGES", tmp_path)
    page = build_docs.DOCS / "concepts" / "x.md"
    links = {
        "../figures.md#training": "../figures.md#training",
        "https://example.org": "https://example.org",
        "../../results/reference/headline.svg": "../results/reference/headline.svg",
        "../../results/README.md": "../reference/results.md",
        "../../CITATION.cff": f"{PROJECT['project']['urls']['Repository']}/blob/main/CITATION.cff",
    }
    for written, expected in links.items():
        assert build_docs.for_the_site(page, f"[x]({written})") == f"[x]({expected})"
    assert (tmp_path / "results/reference/headline.svg").exists()


def test_what_a_browser_would_fetch_elsewhere_is_seen():
    page = '<a href="https://a.org">a</a> <img alt="" src="//b.org/b.png"> <link rel="x" href="https://c.org/c.css">'
    assert build_docs.fetched(page) == ["//b.org/b.png", "https://c.org/c.css"]
    assert (
        build_docs.fetched('<script src="assets/own.js"></script><img src="data:image/png;base64,x">') == []
    )


def test_arguments_of_a_docstring_become_a_list_and_an_asterisk_stays_one():
    pytest.importorskip("griffe", reason="the group docs brings it")
    from docstrings import as_markdown

    text = "What it does.\n\nx: where. y: ‖g - g*‖, of `a*b`.\nz: no argument.\n\n    code * code"
    expected = (
        "What it does.\n\n- `x`: where.\n- `y`: ‖g - g\\*‖, of `a*b`.\nz: no argument.\n\n    code * code"
    )
    assert as_markdown(text, {"x", "y"}) == expected
