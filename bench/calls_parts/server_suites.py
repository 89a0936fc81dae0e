"""The parser suites of vLLM and SGLang, run as they are: our reader takes the place of their parsers.

This is a pytest plugin. It answers every import of the server with a stub, in which each parser is our reader, and
notes for each test how it ended. *Pass*: the test passed; other words around the calls than it expects are counted
and forgiven, for what is words is a convention of each server. *Refused*: it failed, and an answer in it was a
finding. *Differ*: it failed. A test that reads an answer piece by piece, or needs more of the server, is left out.

Where a test offers no tools, those are offered whose names its text has where a call would have them.
"""

import importlib.abc
import importlib.machinery
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import jsonschema_rs
import pytest

from nebulus.calls import by_effect, read, tool_specs
from nebulus.calls.text import parse
from nebulus.core.answers import ModelAnswer
from nebulus.core.errors import ToolDefinitionError
from nebulus.core.findings import CallEvidence, Reading
from nebulus.core.tools import ToolSpec

FOLDERS = {"vLLM": "tests/tool_parsers", "SGLang": "test/registered/function_call"}
"""Where each server has its suite, in a checkout."""
STUBBED = frozenset(
    {"vllm", "sglang", "transformers", "openai", "xgrammar", "openai_harmony", "mistral_common", "torch"}
    | {"partial_json_parser", "tokenizers"}
)
_RESULTS, _LEVEL = "NEBULUS_SUITE_RESULTS", "NEBULUS_SUITE_LEVEL"
_NAMES = re.compile(
    r"(?:\"(?:tool_)?name\"\s*:\s*\"|name=\"|<function=|<tool_call>\s*|[\[,]\s*(?=\w+\()|\[TOOL_CALLS\]|<\|tool.sep\|>"
    r"|functions\.|call:|\{\"(?=\w+\":\s*\{)|function call)([A-Za-z_][\w.-]*)"
)


def measure(suite: str, folder: Path) -> dict[str, Any]:
    """Return how the tests of one suite ended at each level, and why those did that failed."""
    return {
        label: _ended(_run(suite, folder, level))
        for label, level in (("as a parser", "marked"), ("by effect", ""))
    }


def _run(suite: str, folder: Path, level: str) -> list[dict[str, Any]]:
    results = Path(os.environ.get("TMPDIR", "/tmp")) / f"nebulus-suite-{os.getpid()}.json"
    tests = folder / FOLDERS[suite]
    command = (
        sys.executable, "-m", "pytest", "-q", "-p", "bench.calls_parts.server_suites", "-p", "no:cacheprovider",
        "--runxfail", "--continue-on-collection-errors", f"--rootdir={folder}", f"--confcutdir={tests}", "-o", "addopts=", str(tests),
    )  # fmt: skip
    paths = os.pathsep.join([str(Path.cwd()), str(folder)])
    environment = {
        **os.environ, "PYTHONPATH": paths, _RESULTS: str(results), _LEVEL: level, "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    subprocess.run(command, env=environment, cwd=folder, capture_output=True, check=False)
    found: list[dict[str, Any]] = json.loads(results.read_text(encoding="utf-8"))
    results.unlink()
    return found


def _ended(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    counts = Counter(row["ended"] for row in rows)
    words = sum(row["other words"] for row in rows if row["ended"] == "pass")
    missed = [
        f"{row['ended']}: {row['test']}: {row['why']}"
        for row in rows
        if row["ended"] in ("differ", "refused")
    ]
    return {**counts, "pass with other words": words, "missed": missed}


class _Test:
    """What our reader did in the test that is running."""

    readings: list[Reading] = []  # noqa: RUF012 - set anew by each test
    has_other_words = False
    has_open_schema = False


class Words(str):
    """Text around calls: other words are noted, and forgiven."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        _Test.has_other_words |= not str.__eq__(self, other)
        return isinstance(other, str)

    def __ne__(self, other: object) -> bool:
        return not self == other


class Arguments(str):
    """Arguments as JSON, equal to any other JSON of the same value."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        try:
            return bool(json.loads(self) == json.loads(str(other)))
        except ValueError:
            return str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other


class _Anything(type):
    """A class that has every name, as an enumeration would."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Record()


class Record(metaclass=_Anything):
    """Stands for any class of a server: it keeps what it is given."""

    def __init__(self, *unnamed: Any, **given: Any) -> None:
        self.__dict__.update(given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        pytest.skip(f"needs {type(self).__name__}.{name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class ToolCall(Record):
    """A call, with what a server gives it."""

    def __init__(self, *unnamed: Any, **given: Any) -> None:
        super().__init__(*unnamed, **{"type": "function", **given})


class Request(Record):
    """A request, which may come without tools."""

    def __init__(self, *unnamed: Any, **given: Any) -> None:
        super().__init__(*unnamed, **{"tools": None, "skip_special_tokens": True, **given})


class Parser:
    """Our reader, with the methods of a parser of vLLM's or a detector of SGLang's."""

    def __init__(self, *unnamed: Any, tools: Any = None, **named: Any) -> None:
        self.tools = tools or (unnamed[1] if len(unnamed) > 1 else None)

    def extract_tool_calls(self, model_output: str, request: Any = None) -> Record:
        """Read one answer, as vLLM does."""
        asked = getattr(request, "tools", None)
        reading = _read(model_output, [*(asked or ()), *(self.tools or ())])
        calls = [
            ToolCall(
                id=f"functions.{call.tool}:{number}",
                function=Record(name=call.tool, arguments=Arguments(json.dumps(call.arguments))),
            )
            for number, call in enumerate(reading.calls)
        ]
        content = Words(reading.text) if reading.text or not calls else None
        return Record(tools_called=bool(calls), tool_calls=calls, content=content)

    def detect_and_parse(self, text: str, tools: Any) -> Record:
        """Read one answer, as SGLang does."""
        reading = _read(text, tools)
        calls = [
            Record(tool_index=number, name=call.tool, parameters=Arguments(json.dumps(call.arguments)))
            for number, call in enumerate(reading.calls)
        ]
        return Record(normal_text=Words(reading.text), calls=calls)

    def parse_non_stream(self, text: str) -> tuple[Words, Any]:
        """Read one answer, as SGLang's front does."""
        found = self.detect_and_parse(text, self.tools)
        return found.normal_text, found.calls

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        pytest.skip(f"needs a parser's {name}")


def _read(text: str, tools: Any) -> Reading:
    offered = _offered(tools) or _named_in(text)
    level = by_effect if os.environ.get(_LEVEL) == "" else CallEvidence.MARKED
    reading = read(ModelAnswer(text=text), offered, needed=level)
    _Test.readings.append(reading)
    return reading


def _offered(tools: Any) -> tuple[ToolSpec, ...]:
    """Return the tools of a test, the first of each name; one whose schema is not JSON Schema takes anything."""
    found: dict[str, ToolSpec] = {}
    for tool in map(_plain, tools or ()):
        try:
            (spec,) = tool_specs([tool])
            jsonschema_rs.validator_for(spec.parameters)
        except (ToolDefinitionError, ValueError):
            described = tool.get("function", tool)
            spec = ToolSpec(name=str(described.get("name")), parameters={"type": "object"})
            _Test.has_open_schema = True
        found.setdefault(spec.name, spec)
    return tuple(found.values())


def _plain(value: Any) -> Any:
    """Return a record and all in it as JSON values; a schema without a type is one of an object."""
    if isinstance(value, Record):
        return {name: _plain(part) for name, part in vars(value).items() if part is not None}
    return value


def _named_in(text: str) -> tuple[ToolSpec, ...]:
    marked = {candidate.name for each in parse(text, {}).graded for candidate in each.block.candidates}
    names = sorted({*marked, *_NAMES.findall(text)} - {""})
    return tuple(ToolSpec(name=name, parameters={"type": "object"}) for name in names)


class _Manager:
    @staticmethod
    def get_tool_parser(name: str) -> type[Parser]:
        return Parser


_KNOWN: dict[str, Any] = {
    "ToolParserManager": _Manager,
    "ToolCall": ToolCall,
    "ChatCompletionRequest": Request,
    "FunctionCallParser": Parser,
}


class _Stub(ModuleType):
    """A module that has every name."""

    __path__: list[str] = []  # noqa: RUF012 - what makes a module a package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _KNOWN:
            return _KNOWN[name]
        base = Parser if name.endswith(("Detector", "ToolParser")) else Record
        made = type(name, (base,), {}) if name[:1].isupper() else _unavailable(name)
        setattr(self, name, made)
        return made


def _unavailable(name: str) -> Any:
    def function(*unnamed: Any, **named: Any) -> Any:
        return Record() if "tokenizer" in name or "register" in name else pytest.skip(f"needs {name}")

    return function


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        is_ours = name.partition(".")[0] in STUBBED
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if is_ours else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Stub(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        return None


class _Notes:
    """Notes how each test ended."""

    def __init__(self, results: str) -> None:
        self.results = results
        self.rows: list[dict[str, Any]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin a test."""
        _Test.readings, _Test.has_other_words, _Test.has_open_schema = [], False, False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the end of a test."""
        if report.when != "call" and not (report.when == "setup" and not report.passed):
            return
        findings = [each.finding for each in _Test.readings if each.finding is not None]
        lines = str(report.longrepr).strip().splitlines() or [""]
        why = next((line[2:].strip() for line in lines if line.startswith("E  ")), lines[-1])
        if report.skipped or not _Test.readings or report.when == "setup":
            ended = "left out"
        elif report.passed:
            ended = "pass"
        else:
            ended = "refused" if findings else "differ"
            why = findings[0].rule if findings else why
        if _Test.has_open_schema:
            why = f"(its schema is not JSON Schema) {why}"
        row = {"test": report.nodeid.rpartition("/")[2], "ended": ended, "why": why[:160]}
        self.rows.append({**row, "other words": _Test.has_other_words})

    def pytest_sessionfinish(self) -> None:
        """Write the notes down."""
        Path(self.results).write_text(json.dumps(self.rows), encoding="utf-8")


if _RESULTS in os.environ:
    sys.meta_path.insert(0, _Finder())


def pytest_configure(config: pytest.Config) -> None:
    """Take part in a run that `measure` has started."""
    if _RESULTS in os.environ:
        config.pluginmanager.register(_Notes(os.environ[_RESULTS]))


def show(figures: dict[str, Any]) -> None:
    """Print how the tests of each suite ended at each level, and what did not pass as a parser."""
    for suite, levels in figures.items():
        for level, found in levels.items():
            print(
                f"{suite}, {level}:", ", ".join(f"{name} {found[name]}" for name in found if name != "missed")
            )
        for missed in levels["as a parser"]["missed"]:
            print("-", missed)
