"""The documents keep their promises: code compiles, every link leads somewhere, every name has a heading."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from nebulus.app.settings_file import convert_settings
from nebulus.cli.main import app
from nebulus.core import errors
from nebulus.core.commands import Command
from nebulus.core.errors import NebulusError
from nebulus.core.events import Event
from nebulus.core.outcome import Outcome
from tests.unit.house.source import ROOT, SOURCE

FOLDERS = ("docs", "examples", "nano", "bench", "src")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])
CLICK_ERROR: Any = typer.BadParameter.__bases__[0].__bases__[0]
"""The base of what the command line says about wrong words; typer has a copy of click of its own."""
README_LINES = 150
FIRST_COMMAND_LINE = 25
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<code>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block: `info` is what follows the fence, `line` where the code begins."""

    info: str
    code: str
    line: int

    @property
    def is_python(self) -> bool:
        return self.info.split()[:1] == ["python"]

    @property
    def is_run(self) -> bool:
        """Whether it is marked to be run: ```python run."""
        return self.info.split() == ["python", "run"]

    @property
    def is_shell_run(self) -> bool:
        """Whether it is marked to be run: ```sh run."""
        return self.info.split() == ["sh", "run"]

    @property
    def commands(self) -> list[list[str]]:
        """What `nebulus` is given on each line of a shell block that calls it; comments, pipes and variables left out."""
        if self.info.split()[:1] != ["sh"]:
            return []
        found = []
        for line in self.code.splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"\w+=.*", words[0]):
                words = words[1:]
            if words[:1] == ["nebulus"]:
                end = next((at for at, word in enumerate(words) if word in ("|", ">", "<", "&&")), len(words))
                found.append(words[1:end])
        return found


def blocks_of(text: str) -> list[Block]:
    found = []
    for match in FENCE.finditer(text):
        width = len(match["indent"])
        code = "".join(line[width:] for line in match["code"].splitlines(keepends=True))
        found.append(Block(match["info"].strip(), code, text.count("\n", 0, match.start()) + 2))
    return found


def code_complaints(text: str) -> list[str]:
    complaints = []
    for block in filter(lambda block: block.is_python, blocks_of(text)):
        try:
            compile(block.code, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except SyntaxError as error:
            complaints.append(f"line {block.line + (error.lineno or 1) - 1}: {error.msg}")
    return complaints


def command_complaints(text: str) -> list[str]:
    """Lines of shell blocks that the command line would not take: an unknown command, option or value."""
    complaints = []
    for block in blocks_of(text):
        for words in block.commands:
            try:
                parse(typer.main.get_command(app), words)
            except CLICK_ERROR as error:
                complaints.append(f"line {block.line}: nebulus {shlex.join(words)}: {error.format_message()}")
    return complaints


def parse(command: Any, words: list[str]) -> None:
    """Parse the words of a command, and of the one beneath it, without running anything."""
    context = command.make_context(command.name, list(words), resilient_parsing=False)
    if rest := [*context._protected_args, *context.args] if hasattr(command, "commands") else []:
        _, inner, words = command.resolve_command(context, rest)
        parse(inner, words)


def settings_complaints(text: str) -> list[str]:
    """TOML blocks that are neither settings nor rules."""
    complaints = []
    for block in blocks_of(text):
        if block.info.split()[:1] == ["toml"]:
            try:
                data = tomllib.loads(block.code)
                if not {"policy", "accept"} & {key for key, value in data.items() if isinstance(value, list)}:
                    convert_settings(data, source=f"line {block.line}")
            except (tomllib.TOMLDecodeError, NebulusError) as error:
                complaints.append(str(error))
    return complaints


def link_complaints(text: str, folder: Path) -> list[str]:
    """Relative links that lead to nothing."""
    prose = FENCE.sub("", text)
    targets = (target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", prose))
    return [
        f"the link {target} leads to nothing"
        for target in targets
        if target and not re.match(r"[a-z]+:", target) and not (folder / target).exists()
    ]


def glossary_complaints(text: str, known: frozenset[str]) -> list[str]:
    """Words out of order or twice, and places that are not a module."""
    rows = re.findall(r"^\| \*\*(.+?)\*\* \|.*\| `(.+?)` \|$", text, re.MULTILINE)
    words = [word for word, _ in rows]
    places = {place if place.startswith("nebulus") else f"nebulus.{place}" for _, place in rows}
    return [
        *(
            f"{word!r} is out of order"
            for word, right in zip(words, sorted(set(words)), strict=False)
            if word != right
        ),
        *(f"{place} is not a module" for place in sorted(places - known)),
    ]


def error_classes() -> list[type]:
    """Every error class, in the order of the file."""
    return [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NebulusError)
    ]


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_python_block_compiles(page: Path) -> None:
    assert code_complaints(page.read_text("utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_in_a_shell_block_can_be_typed(page: Path) -> None:
    assert command_complaints(page.read_text("utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_toml_block_is_settings_or_rules(page: Path) -> None:
    assert settings_complaints(page.read_text("utf-8")) == []


def test_every_python_block_of_a_page_for_users_is_run() -> None:
    pages = [page for page in PAGES if page.is_relative_to(ROOT / "docs")]
    unmarked = [
        f"{page_name(page)}:{block.line}"
        for page in pages
        for block in blocks_of(page.read_text("utf-8"))
        if block.is_python and not block.is_run
    ]
    assert unmarked == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert link_complaints(page.read_text("utf-8"), page.parent) == []


@pytest.mark.parametrize(
    ("page", "kinds"),
    [
        ("events.md", get_args(Event)),
        ("commands.md", get_args(Command)),
        ("outcomes.md", get_args(Outcome)),
        ("errors.md", error_classes()),
    ],
)
def test_every_event_command_outcome_and_error_has_a_heading(page: str, kinds: Sequence[type]) -> None:
    text = (ROOT / "docs" / "reference" / page).read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [kind.__name__ for kind in kinds]


def test_every_command_that_can_be_typed_has_a_heading() -> None:
    text = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    shown = list(typed("nebulus", typer.main.get_command(app)))
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == shown[1:]


def typed(name: str, command: object) -> Iterator[str]:
    """Yield what can be typed to come to a command, and to each beneath it."""
    yield name
    for inner, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from typed(f"{name} {inner}", below)


def test_the_glossary_is_in_order_and_leads_to_modules() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    assert glossary_complaints(text, frozenset(module.name for module in SOURCE)) == []
    assert text.count("\n| **") > 50


def test_the_readme_is_short_and_begins_with_a_command() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= README_LINES
    assert min((block.line for block in blocks_of(text)), default=README_LINES) <= FIRST_COMMAND_LINE


def test_code_that_does_not_compile_is_found_with_its_line() -> None:
    page = "# Page\n\n```python\nx = 1\nx = = 2\n```\n\n```text\nx = = 2\n```\n"
    assert code_complaints(page) == ["line 5: invalid syntax"]
    assert code_complaints("```python run\nawait f()\n```\n") == []
    assert code_complaints("- item\n\n  ```python\n  x = = 1\n  ```\n") != []


def test_a_command_that_cannot_be_typed_and_settings_that_cannot_be_are_found() -> None:
    page = "```sh\nnebulus runs --limt 3\nX=1 nebulus runs --limit 3  # fine\nnebulus rnu\n```\n"
    assert len(command_complaints(page)) == 2
    assert settings_complaints("```toml\n[budget]\ntokns = 3\n```\n") != []
    assert settings_complaints("```toml\n[budget]\ntokens = 3\n```\n") == []


def test_a_link_to_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("")
    page = "[a](there.md#part) [b](https://example.org) [c](#here) [d](gone.md)\n"
    assert link_complaints(page, tmp_path) == ["the link gone.md leads to nothing"]


def test_a_word_out_of_order_and_a_place_that_is_not_a_module_are_found() -> None:
    page = "| **b** | x | `core.plan` |\n| **a** | x | `core.gone` |\n"
    assert glossary_complaints(page, frozenset({"nebulus.core.plan"})) == [
        "'b' is out of order",
        "'a' is out of order",
        "nebulus.core.gone is not a module",
    ]
