"""Build the site of docs/: its Markdown, completed, in build/pages, and from that the HTML in build/site.

    make docs

The links of the pages are those of the repository. For the site this tool copies what a browser shows, such as a
picture of results/reference, and makes an address of every other link that leaves docs/. It also puts in what other
places of the repository know: the commands, the kinds of mistakes, and results/README.md.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from backprop import Network, installed_strategies
from backprop.bench.commands.list import listing
from backprop.check.kinds import KINDS
from backprop.notation import NETWORKS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = ROOT / "build" / "pages"
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
SHOWN = {".svg", ".png", ".pdf", ".html"}
"""What a browser shows: such files are copied into the site."""
SMALL = {
    "convolution, pooling": "1x8x8 conv3x2 relu pool2 3",
    "layer norm": "6 4 layer-norm tanh 3",
    "batch norm": "6 4 batch-norm tanh 3",
    "dropout": "6 4 dropout tanh 3",
    "residual": "6 4 residual(4 tanh 4) 3",
    "LSTM": "4x3 lstm2 3",
    "attention": "4x3 attention mean-tokens 3",
    "embedding": "4 embedding5x2 3",
}
"""A network for each kind of layer, for the table of what each rung does."""
PAGE_OF = {ROOT / "results" / "README.md": DOCS / "reference" / "results.md"}
"""Files outside of docs/ whose text is on a page of the site."""


def commands() -> str:
    """Every command: a list of them, then each with its arguments and options, as Typer writes them down."""
    command = [
        sys.executable,
        "-m",
        "typer",
        "backprop.bench.commands.app",
        "utils",
        "docs",
        "--name",
        "backprop",
    ]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout
    printed = re.sub(r"(?m)(?:^  backprop .*\n)+", _as_block, html.unescape(printed))
    sections = printed.split("\n## ")[1:]
    listed = [section.split("\n", 3)[::2] for section in sections]
    rows = [f"- [{title}](#{title.strip('`').replace(' ', '-')}): {summary}" for title, summary in listed]
    return "\n\n## ".join(["\n".join(rows), *map(str.strip, sections)])


def _as_block(examples: re.Match[str]) -> str:
    """The examples of a command as a code block: as a paragraph they would run together."""
    return f"**Examples**:\n\n```text\n{textwrap.dedent(examples[0])}```\n"


def kinds() -> str:
    """The kinds of mistakes, a heading each, so that a finding can be linked to."""
    return "\n\n".join(
        f"## {kind.name}\n\nWhat it is: {kind.summary}.\n\nHow it is known: {kind.signature}.\n\n{kind.fix}"
        + (f"\n\nAn example: {kind.example}" if kind.example else "")
        for kind in KINDS.values()
    )


def results() -> str:
    """results/README.md without its title."""
    return (ROOT / "results" / "README.md").read_text(encoding="utf-8").split("\n", 1)[1]


def networks() -> str:
    """A table of the known networks."""
    rows = [f"| `{name}` | `{text}` |" for name, text in NETWORKS.items()]
    return "\n".join(["| name | layers |", "|---|---|", *rows])


def layers() -> str:
    """A table of the layers: how each is written, and what it does."""
    rows = [
        f"| `{row['name']}` | `{row['written']}` | {row['formula'].replace('|', '&#124;')} |"
        for row in listing()["layers"]
    ]
    return "\n".join(["| layer | for example | what it computes |", "|---|---|---|", *rows])


def rungs() -> str:
    """Which rung does which layer, and the reasons why not."""
    table, said = reasons(), {}
    rows = []
    for name, why in table.items():
        declined = [kind for kind, reason in why.items() if reason is not None]
        rows.append(f"| `{name}` | {', '.join(declined) or 'none'} |")
        said |= {reason: "" for reason in why.values() if reason is not None}
    head = [f"Tried with {', '.join(SMALL)}.", "", "| strategy | declines |", "|---|---|"]
    return "\n".join([*head, *rows, "", "Why:", "", *(f"- {one}" for one in said)])


def reasons() -> dict[str, dict[str, str | None]]:
    """By strategy and kind of layer, why the strategy cannot do it; None where it can."""
    networks = {name: Network.parse(text) for name, text in SMALL.items()}
    return {
        strategy.name: {
            name: strategy.unsupported(network, np.dtype("float64")) for name, network in networks.items()
        }
        for strategy in installed_strategies().values()
    }


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "kinds": kinds,
    "layers": layers,
    "networks": networks,
    "results": results,
    "rungs": rungs,
}
"""By the name that a mark such as <!-- built: kinds --> gives: the text that stands there in the site."""


def repository() -> str:
    """The address at which the files of the repository are read."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"{project['urls']['Repository']}/blob/main"


def completed(text: str) -> str:
    """The Markdown of a page with every part that is built."""
    return re.sub(r"<!-- built: (\w+) -->", lambda mark: PARTS[mark[1]](), text)


def for_the_site(page: Path, text: str) -> str:
    """The Markdown of a page, whose links out of docs/ lead to where the site has, or finds, the file."""

    def led(link: re.Match[str]) -> str:
        target, part = link[1], link[2] or ""
        file = (page.parent / target).resolve()
        if "://" in target or file.is_relative_to(DOCS):
            return link[0]
        path = file.relative_to(ROOT)
        if file in PAGE_OF:
            target = os.path.relpath(PAGE_OF[file], page.parent)
        elif file.suffix in SHOWN:
            (PAGES / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, PAGES / path)
            target = os.path.relpath(DOCS / path, page.parent)
        else:
            target = f"{repository()}/{path.as_posix()}"
        return f"]({Path(target).as_posix() if '://' not in target else target}{part})"

    return LINK.sub(led, text)


def fetched(page: str) -> list[str]:
    """The addresses on other hosts that a browser would ask when it opens this HTML."""
    return re.findall(
        r"""<(?:script|img|link|iframe|source)\b[^>]* (?:src|href)=["']?((?:https?:)?//[^"'\s>]+)""", page
    )


def main() -> None:
    """Complete the pages, then build; a warning of the builder is an error, and so is what asks another host."""
    shutil.rmtree(PAGES, ignore_errors=True)
    for source in sorted(path for path in DOCS.rglob("*") if path.is_file()):
        target = PAGES / source.relative_to(DOCS)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".md":
            text = for_the_site(source, completed(source.read_text(encoding="utf-8")))
            target.write_text(text, encoding="utf-8")
        else:
            shutil.copy(source, target)
    built = subprocess.run([sys.executable, "-m", "zensical", "build", "--clean", "--strict"], cwd=ROOT)
    for path in sorted((ROOT / "build" / "site").rglob("*.html")):
        if path.name != "report.html" and (found := fetched(path.read_text(encoding="utf-8"))):
            sys.exit(f"{path} asks other hosts: {', '.join(found)}; expected a page that asks none.")
    if built.returncode == 0:
        print("written: build/site/index.html")
    sys.exit(built.returncode)


if __name__ == "__main__":
    main()
