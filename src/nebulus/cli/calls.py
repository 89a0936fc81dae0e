"""What an answer is parsed as, for a person, a program, or a file of many answers."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer

from nebulus.calls import Needed, by_effect, explain, read, read_line, tool_specs
from nebulus.cli.console import show_json
from nebulus.cli.exits import Exit
from nebulus.core.answers import ModelAnswer
from nebulus.core.errors import ConfigError
from nebulus.core.findings import CallEvidence
from nebulus.core.tools import ToolSpec
from nebulus.core.unreadable import UNREADABLE
from nebulus.report.text import safe

BY_EFFECT = "effect"
"""The level that needs, for each tool, what its effect needs."""


def read_stdin(tools: Path | None, *, is_lines: bool, as_json: bool, evidence: str = BY_EFFECT) -> None:
    """Read one answer from stdin, or one a line, against the tools in a file, at a level of evidence.

    Raises:
        ConfigError: the tools, a line or the level can't be understood.
        typer.Exit: with 6 if one answer was read, and there was a finding; of many, each line says it.
    """
    offered, needed = _tools(tools), _level(evidence)
    if is_lines:
        for number, line in enumerate(sys.stdin, start=1):
            if line.strip():
                read_one = read_line(_object(line, f"line {number}"), offered, needed=needed)
                sys.stdout.write(msgspec.json.encode(read_one).decode() + "\n")
        return
    text = sys.stdin.read()
    if as_json:
        document = read_line({"text": text}, offered, needed=needed)
        show_json(document)
        raise typer.Exit(Exit.FAILED if document["finding"] else Exit.DONE)
    reading = read(ModelAnswer(text=text), offered, needed=needed)
    print("\n".join(safe(line) for line in explain(reading).splitlines()))
    raise typer.Exit(Exit.FAILED if reading.finding else Exit.DONE)


def _level(name: str) -> Needed:
    if name == BY_EFFECT:
        return by_effect
    if name.upper() not in CallEvidence.__members__:
        levels = ", ".join(level.name.lower() for level in CallEvidence)
        raise ConfigError(f"--evidence={name!r} is not a level", fix=f"give {BY_EFFECT}, or one of {levels}")
    return CallEvidence[name.upper()]


def _tools(path: Path | None) -> Sequence[ToolSpec]:
    if path is None:
        return ()
    try:
        definitions = msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]])
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", fix="name a JSON file") from error
    except UNREADABLE as error:
        raise ConfigError(f"{path} is not a JSON list of tools: {error}", fix="write [{...}, ...]") from error
    return tool_specs(definitions)


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except RecursionError as error:
        raise ConfigError(f"{place} is nested too deeply", fix="write one flat object a line") from error
    except UNREADABLE as error:
        raise ConfigError(f"{place} is not a JSON object: {error}", fix="write one object a line") from error
