"""A model that answers each question of a probe right, from what the question itself expects."""

import json
import re
from typing import Any

from nebulus.ceiling.probe_item import Exact, ExpectedCall, OneOf, ProbeItem
from nebulus.core.answers import ModelAnswer, ModelRequest, OneCall, RawCall, Shape, Usage

NOW = re.compile(r"Now: step (\d+)\.")
USAGE = Usage(prompt_tokens=500, completion_tokens=20)


def plain(value: Any) -> Any:
    """Return one of the right values."""
    match value:
        case OneOf(values):
            return plain(values[0])
        case Exact(text):
            return text
        case dict():
            return {name: plain(one) for name, one in value.items()}
        case list():
            return [plain(one) for one in value]
        case _:
            return value


def call(tool: str, arguments: dict[str, Any]) -> ModelAnswer:
    return ModelAnswer(calls=(RawCall(tool, json.dumps(plain(arguments))),), usage=USAGE)


class Oracle:
    """Makes the expected calls of each step in order, then ends it."""

    def __init__(self, item: ProbeItem) -> None:
        self._item = item
        self._left = [list(step) for step in item.expected.steps]

    def __call__(self, request: ModelRequest) -> ModelAnswer:
        expected = self._item.expected
        names = [tool.name for tool in request.tools]
        if isinstance(request.form, Shape):
            return ModelAnswer(text=json.dumps(self._shaped(request.form.schema)), usage=USAGE)
        if "give_up" in names and expected.gives_up:
            return call("give_up", {"reason": "no tool can do that"})
        said = NOW.search(request.messages[-1].content)
        step = int(said[1]) if said else 1
        wanted = self._left[step - 1] if step <= len(self._left) else []
        if wanted:
            one: ExpectedCall = wanted.pop(0)
            return call(one.tool, one.arguments)
        if "finish" in names:
            return call("finish", {"summary": "all of it is done"})
        assert expected.plan or not isinstance(request.form, OneCall), (
            "it is asked for a call that nobody expects"
        )
        return ModelAnswer(text="The step needs no more calls.", usage=USAGE)

    def _shaped(self, schema: dict[str, Any]) -> Any:
        expected = self._item.expected
        if expected.plan:
            return {"steps": [{"text": f"Use {name}.", "tool": name} for name in expected.plan]}
        if expected.facts:
            return {name: plain(expected.facts[name]) for name in schema["properties"]}
        return {"answer": expected.answer}
