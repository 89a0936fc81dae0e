"""Tools and shorthands that the tests of the reader share."""

import json
from pathlib import Path
from typing import Any

from nebulus.calls import ReaderProfile, read
from nebulus.core.answers import FinishReason, ModelAnswer
from nebulus.core.findings import Call, Reading
from nebulus.core.tools import Effect, ToolSpec

FIXTURES = Path(__file__).parent / "fixtures"


def tool(name: str, properties: dict[str, Any], required: tuple[str, ...] = (), **more: Any) -> ToolSpec:
    """Return a tool whose schema is as short as tools' schemas are."""
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return ToolSpec(name=name, parameters=parameters, **more)


WEATHER = tool("get_weather", {"city": {"type": "string"}, "days": {"type": "integer"}}, ("city",))
NOW = tool("now", {})
SAVE = tool(
    "save",
    {"path": {"type": "string"}, "content": {"type": "string"}},
    ("path", "content"),
    effect=Effect.WRITE,
)
REMOVE = tool("remove_file", {"path": {"type": "string"}}, ("path",), effect=Effect.IRREVERSIBLE)
TOOLS = (WEATHER, NOW, SAVE, REMOVE)

CLEAN = '{"name": "get_weather", "arguments": {"city": "Oslo", "days": 2}}'
OSLO = Call("get_weather", {"city": "Oslo", "days": 2})


def said(text: str, **more: Any) -> Reading:
    """Return the reading of a text with the sample tools on offer."""
    tools = more.pop("tools", TOOLS)
    finish = more.pop("finish", FinishReason.STOP)
    return read(ModelAnswer(text=text, finish=finish), tools, **more)


def long_way(text: str) -> Reading:
    """Return the reading without the short way for clean calls."""
    return said(text, profile=ReaderProfile(max_calls=1000))


def fixture_cases() -> list[tuple[str, dict[str, Any]]]:
    """Return every case of every family, with an id."""
    return [
        (f"{page.stem}-{number}", case)
        for page in sorted(FIXTURES.glob("*.json"))
        for number, case in enumerate(json.loads(page.read_text(encoding="utf-8"))["cases"])
    ]
