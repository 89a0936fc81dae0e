"""What every family's models write is read, whole and in pieces, and never once it was cut."""

import json
import re

import pytest

from nebulus.calls import StreamReader
from nebulus.calls.bodies import name_before
from nebulus.calls.dialect import Source
from nebulus.calls.dialects import DIALECTS
from nebulus.core.answers import FinishReason
from nebulus.core.findings import Call, FindingKind
from tests.unit.calls.samples import FIXTURES, TOOLS, fixture_cases, said

CASES = fixture_cases()
cases = pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])


def expected(case: dict) -> tuple[Call, ...]:  # type: ignore[type-arg]
    return tuple(Call(call["tool"], call["arguments"]) for call in case["calls"])


@cases
def test_the_calls_that_a_family_writes_are_read(case: dict) -> None:  # type: ignore[type-arg]
    reading = said(case["text"])
    assert reading.finding is None
    assert reading.calls == expected(case)
    assert reading.text == case["words"]


@cases
def test_the_reading_does_not_depend_on_where_the_stream_was_split(case: dict) -> None:  # type: ignore[type-arg]
    whole = said(case["text"])
    for place in range(len(case["text"]) + 1):
        reader = StreamReader(TOOLS)
        reader.feed(case["text"][:place])
        reader.feed(case["text"][place:])
        assert reader.close() == whole


@cases
def test_an_answer_at_its_cap_is_never_executed(case: dict) -> None:  # type: ignore[type-arg]
    reading = said(case["text"], finish=FinishReason.LENGTH)
    assert not reading.calls
    assert reading.finding is not None
    assert reading.finding.kind is FindingKind.TRUNCATED


@cases
def test_a_call_that_was_cut_is_never_another_call(case: dict) -> None:  # type: ignore[type-arg]
    meant = expected(case)
    for end in range(len(case["text"])):
        calls = said(case["text"][:end]).calls
        assert calls == meant[: len(calls)], case["text"][:end]


@cases
def test_a_call_in_reasoning_is_not_a_call(case: dict) -> None:  # type: ignore[type-arg]
    if "<think>" not in case["text"] and "<|channel|>" not in case["text"]:
        assert not said(f"<think>\nMaybe {case['text']} would do.\n</think>\n\nNo, it is fine.").calls


def test_every_dialect_has_fixtures_with_their_source() -> None:
    pages = {page.stem: json.loads(page.read_text(encoding="utf-8")) for page in FIXTURES.glob("*.json")}
    assert all(page["source"] and page["cases"] for page in pages.values())
    texts = "\n".join(case["text"] for page in pages.values() for case in page["cases"])
    missing = [dialect.name for dialect in DIALECTS if not any(mark in texts for mark in dialect.openers)]
    assert not missing


def test_every_dialect_module_names_its_source() -> None:
    pages = (FIXTURES.parents[3] / "src/nebulus/calls/dialects").glob("*.py")
    silent = [
        page.name
        for page in pages
        if page.stem != "__init__" and not re.search("Sources?:", page.read_text())
    ]
    assert not silent


def test_a_name_that_was_read_already_names_no_call() -> None:
    source = Source("edit [ARGS]", {})
    assert name_before(source, 4) == ("edit", 0)
    source.taken = 4
    assert name_before(source, 4) == ("", 4)
