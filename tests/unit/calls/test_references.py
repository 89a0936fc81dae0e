"""A reference is accepted in every dialect, for the arguments that a tool declares, and for no others."""

import json

import pytest
from msgspec.structs import replace

from nebulus.calls import read
from nebulus.core.answers import ModelAnswer, RawCall
from nebulus.core.findings import Call, FindingKind
from nebulus.core.tools import Effect, ToolSpec

WRITE = ToolSpec(
    name="write_file",
    parameters={
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "content": {"type": "string"},
            "mode": {"type": "integer"},
        },
        "required": ["path", "content"],
    },
    effect=Effect.WRITE,
    references=("content",),
)
REFERENCE = {"from": "call 2", "path": "items[0]"}
MEANT = Call("write_file", {"path": "b.txt", "content": REFERENCE})
ARGUMENTS = json.dumps(MEANT.arguments)
XML = f"""<tool_call>
<function=write_file>
<parameter=path>
b.txt
</parameter>
<parameter=content>
{json.dumps(REFERENCE)}
</parameter>
</function>
</tool_call>"""


@pytest.mark.parametrize(
    "text",
    [
        f'{{"name": "write_file", "arguments": {ARGUMENTS}}}',
        f'<tool_call>\n{{"name": "write_file", "arguments": {ARGUMENTS}}}\n</tool_call>',
        f'```json\n{{"name": "write_file", "arguments": {ARGUMENTS}}}\n```',
        f'[TOOL_CALLS][{{"name": "write_file", "arguments": {ARGUMENTS}}}]',
        f'write_file(path="b.txt", content={json.dumps(REFERENCE)})',
        f"<function=write_file>{ARGUMENTS}</function>",
        XML,
    ],
)
def test_a_reference_is_read_in_every_dialect(text: str) -> None:
    reading = read(ModelAnswer(text=text), [WRITE])
    assert reading.finding is None
    assert reading.calls == (MEANT,)


def test_a_reference_in_a_servers_own_call_is_read() -> None:
    reading = read(ModelAnswer(calls=(RawCall("write_file", ARGUMENTS),)), [WRITE])
    assert reading.calls == (MEANT,)


def call_with(**arguments: object) -> ModelAnswer:
    return ModelAnswer(text=json.dumps({"name": "write_file", "arguments": arguments}))


def test_an_argument_that_is_not_declared_takes_no_reference() -> None:
    for spec, arguments in (
        (WRITE, {"path": {"from": "last"}, "content": "x"}),
        (replace(WRITE, references=()), {"path": "b.txt", "content": {"from": "last"}}),
    ):
        finding = read(call_with(**arguments), [spec]).finding
        assert finding is not None
        assert finding.kind is FindingKind.INVALID_ARGUMENTS
        assert finding.rule == "the value must be of type string"


def test_what_is_wrong_beside_a_reference_is_said_as_precisely_as_ever() -> None:
    finding = read(call_with(content={"from": "last"}), [WRITE]).finding
    assert finding is not None
    assert finding.rule == "the argument 'path' is required"
    finding = read(call_with(path="a", content={"from": "last", "line": 3}), [WRITE]).finding
    assert finding is not None
    assert (finding.rule, finding.where) == ("the value must be of type string", "/content")
    mended = read(call_with(path="a", content={"from": "last"}, mode="7"), [WRITE])
    assert mended.calls[0].arguments["mode"] == 7


def test_a_tool_that_takes_objects_keeps_their_meaning() -> None:
    parameters = {"type": "object", "properties": {"content": {"type": "object"}}}
    spec = replace(WRITE, parameters=parameters)
    given = {"from": "anna", "path": "x"}
    assert read(call_with(content=given), [spec]).calls == (Call("write_file", {"content": given}),)


def test_a_reference_need_not_be_copied_from_what_was_shown() -> None:
    spec = replace(WRITE, grounded=("path", "content"))
    assert read(call_with(path="b.txt", content={"from": "last"}), [spec], shown="into b.txt").calls
    finding = read(call_with(path="c.txt", content={"from": "last"}), [spec], shown="into b.txt").finding
    assert finding is not None
    assert finding.kind is FindingKind.UNGROUNDED


def test_text_that_looks_like_a_reference_stays_text() -> None:
    said = '{"from": "last"}'
    assert read(call_with(path="a", content=said), [WRITE]).calls[0].arguments["content"] == said
