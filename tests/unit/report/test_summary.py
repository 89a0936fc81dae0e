"""The summary of a run distinguishes proven from claimed, down to each value of an answer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nebulus.core.outcome import Done, Proof
from nebulus.core.plan import GOAL, RUNBOOK, Check, EndsAs
from nebulus.core.provenance import Origin, Provenance
from nebulus.core.result import FieldSource, Result, ResultSpec
from nebulus.report.run import report_run
from nebulus.report.summary import summary_lines, value_at
from tests.unit.loop import scenario as sc

FOREIGN = Provenance((Origin("tool", "fetch", "c1"),), is_trusted=False)


def summary(result: Result | None, *, proof: Proof = Proof.CLAIMED, resume: str = "nebulus resume r") -> str:
    report = report_run("r", sc.begun(sc.step(1, "Use look"), result=ResultSpec()).events)
    ended = replace(report, outcome=Done(proof=proof, summary="1 step done", result=result))
    return "\n".join(line.text for line in summary_lines(ended, resume=resume))


def test_a_text_is_shown_whole_and_as_claimed() -> None:
    told = summary(Result(value="One.\nTwo."))
    assert "  answer:      One.\n               Two." in told
    assert "~ the answer: claimed" in told


def test_a_value_that_was_seen_names_the_place_and_whether_its_text_is_trusted() -> None:
    source = FieldSource(path="/a", is_proven=True, provenance=FOREIGN, seen_in="result of step 1")
    told = summary(Result(value={"a": 7}, sources=(source,)), proof=Proof.PROVEN)
    assert "✓ /a 7: seen in result of step 1, in untrusted text" in told
    assert told.startswith("Done, and proven")


def test_a_failure_instead_of_a_result_is_not_called_an_answer() -> None:
    told = summary(Result(value={"why": "no such town"}, is_failure=True))
    assert '  no answer:   {"why":"no such town"}' in told


def test_a_long_answer_counts_the_values_that_are_left_out() -> None:
    sources = tuple(FieldSource(path=f"/{index}", is_proven=False) for index in range(50))
    told = summary(Result(value=list(range(50)), sources=sources))
    assert told.count("claimed, seen nowhere") == 40
    assert "… 10 more values" in told


def test_a_run_that_is_not_stored_names_no_command_that_resumes_it() -> None:
    report = report_run("r", sc.begun(sc.step(1, "Use look")).events)
    told = "\n".join(line.text for line in summary_lines(report, resume=""))
    assert "`" not in told


def claimed(plan_origin: str, *checks: Check, proof: Proof = Proof.CLAIMED) -> str:
    report = report_run("r", sc.begun(sc.step(1, "Use look")).events)
    ended = replace(
        report,
        outcome=Done(proof=proof, summary="1 call made"),
        plan=replace(report.plan, origin=plan_origin),
        goal=replace(report.goal, checks=checks),
    )
    return "\n".join(line.text for line in summary_lines(ended, resume="nebulus resume r"))


def test_a_goal_in_prose_that_is_only_claimed_names_the_vote() -> None:
    assert "--votes 3" in claimed(GOAL)
    assert "--votes" not in claimed(GOAL, EndsAs(agreed=2, tries=2, files={}))
    assert "--votes" not in claimed(GOAL, proof=Proof.PROVEN)
    assert "--votes" not in claimed(RUNBOOK)


@pytest.mark.parametrize(
    ("pointer", "found"),
    [("", {"a/b": [1, {"~": 2}]}), ("/a~1b/0", 1), ("/a~1b/1/~0", 2), ("/gone", None), ("/a~1b/9", None)],
)
def test_a_pointer_leads_to_its_value(pointer: str, found: Any) -> None:
    assert value_at({"a/b": [1, {"~": 2}]}, pointer) == found


@given(st.text(), st.text())
def test_no_answer_moves_the_cursor(value: str, place: str) -> None:
    source = FieldSource(path=f"/{place}", is_proven=True, seen_in=place)
    assert all(line.isprintable() for line in summary(Result(value=value, sources=(source,))).splitlines())
