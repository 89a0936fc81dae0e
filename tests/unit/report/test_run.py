"""The report of a run says what happened, who decided, what it cost, and what to do next."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from nebulus.core.budget import Budget
from nebulus.core.commands import AskModel
from nebulus.core.outcome import Blocked, Done, Exhausted, Failed, Refused
from nebulus.core.plan import StepStatus
from nebulus.loop.runbook import read_runbook
from nebulus.report.run import RunReport, report_run
from nebulus.report.summary import FAULTS, summary_lines
from nebulus.report.timeline import plan_lines, run_lines, why_lines
from tests.unit.cli.runs import NO, RUNBOOK, YES, carry_out
from tests.unit.loop import scenario as sc

AGAIN = "nebulus resume tidy"


def text_of(report: RunReport) -> str:
    return "\n".join(line.text for line in summary_lines(report, resume=AGAIN))


@pytest.fixture
def done(tmp_path: Path) -> RunReport:
    return carry_out(tmp_path, replies=(YES,))


def test_each_step_is_reported_as_proposed_judged_and_done(done: RunReport, tmp_path: Path) -> None:
    lines = [line.text.strip() for line in run_lines(done, resume=AGAIN, is_verbose=True)]
    start = next(index for index, line in enumerate(lines) if line.startswith("✓  2."))
    assert "(1 answer · 1 tool call · 100 + 20 tokens · " in lines[start]
    assert lines[start + 1 : start + 6] == [
        "⇢ small is asked to execute: the smallest of 1 that may execute",
        '→ small proposes write_file(path="b.md", content="hello")',
        "✓ write_file is allowed by default.write",
        '← write_file -> {"path":"b.md","bytes":5}',
        "✓ code checked the step: 1 check passed",
    ]


def test_the_costs_of_the_steps_add_up(done: RunReport) -> None:
    assert sum(step.spent.tokens for step in done.steps) == done.spent.tokens == 360
    assert sum(step.spent.tool_calls for step in done.steps) == done.spent.tool_calls == 3


def test_a_proven_end_lists_its_evidence_and_its_cost(done: RunReport) -> None:
    assert isinstance(done.outcome, Done)
    text = text_of(done)
    assert text.startswith("Done, and proven")
    assert "✓ absent path='a.md'" in text
    assert "~ step 1: read_file succeeded" in text
    assert "3 answers · 3 tool calls · 300 + 60 tokens" in text


def test_a_claimed_end_does_not_look_proven(tmp_path: Path) -> None:
    report = carry_out(tmp_path, "Think.\n\n1. Think about it.\n")
    assert text_of(report).startswith("Done, but claimed")
    assert "the model said: I am not sure." in text_of(report)


def test_the_audit_names_rule_and_person_for_every_call(done: RunReport) -> None:
    assert [(item.verdict, item.rule) for item in done.verdicts] == [
        ("allow", "default.read"),
        ("allow", "default.write"),
        ("ask", "default.irreversible"),
        ("yes", "person:ann"),
    ]


def test_what_was_done_to_the_world_is_listed_and_reading_is_not(done: RunReport) -> None:
    assert tuple(effect.text for effect in done.effects) == ("write_file b.md, hello", "delete_file a.md")


def test_a_blocked_run_says_what_is_asked_and_how_to_answer(tmp_path: Path) -> None:
    report = carry_out(tmp_path)
    assert isinstance(report.outcome, Blocked)
    text = text_of(report)
    assert "May delete_file be called?" in text
    assert '{"path":"a.md"}' in text
    assert f"`{AGAIN} --yes`" in text


def test_a_persons_no_says_where_who_and_why(tmp_path: Path) -> None:
    report = carry_out(tmp_path, replies=(NO,))
    assert isinstance(report.outcome, Refused)
    text = text_of(report)
    assert "step 3 of 3: Use delete_file with path = a.md" in text
    assert "a person said no: keep it" in text
    assert "2 of 3 steps done" in text


def test_a_refusal_that_ends_a_run_is_in_its_journal(tmp_path: Path) -> None:
    report = carry_out(tmp_path, "Look.\n\n1. Use read_file with path = ../secret\n")
    assert isinstance(report.outcome, Refused)
    assert [item.verdict for item in report.verdicts] == ["refuse", "refuse"]
    assert "the rule workspace" in text_of(report)


def test_an_exhausted_run_says_what_is_left_and_which_limit_to_raise(tmp_path: Path) -> None:
    report = carry_out(tmp_path, budget=Budget(model_calls=1))
    assert isinstance(report.outcome, Exhausted)
    text = text_of(report)
    assert f"left:        {len(report.outcome.undone)} steps" in text
    assert report.outcome.undone[-1] in text
    assert "raise budget.model_calls in nebulus.toml" in text


def test_a_failure_says_everything_that_a_person_needs(tmp_path: Path) -> None:
    report = carry_out(tmp_path, "Look.\n\n1. Use read_file with path = gone.md\n")
    assert isinstance(report.outcome, Failed)
    failure, text = report.outcome.failure, text_of(report)
    for part in (
        "asked for:   Look.",
        "it broke at: step 1 of 1: Use read_file with path = gone.md",
        f"what broke:  {failure.what}",
        "gone.md",
        f"tried:       {failure.attempts} times:",
        "x not_found: read_file: there is no such file or folder",
        f"at fault:    {FAULTS[failure.fault]}",
        f"would help:  {failure.fix}",
        f"`{AGAIN}` tries this step again",
        "`nebulus show tidy`",
    ):
        assert part in text, text
    assert report.steps[1].status is StepStatus.FAILED
    assert "What happened in the last step:" in [line.text for line in why_lines(report, resume=AGAIN)]


def test_a_plan_is_shown_as_it_was_understood() -> None:
    text = "\n".join(line.text for line in plan_lines(*read_runbook(RUNBOOK + "\nConstraints:\n- be kind\n")))
    assert "  - be kind" in text
    assert "1. Use read_file with path = a.md\n      no check: the model's word will count" in text
    assert "done when: contains path='b.md', text='hello'" in text
    assert "Done when\n  - absent path='a.md'" in text


def test_steps_that_were_under_way_at_once_are_reported_one_after_the_other() -> None:
    scene = sc.begun(sc.step(1, "Use look", after=()), sc.step(2, "Use put", after=()))
    for asked, answer in zip(
        reversed(scene.commands), (sc.called("put", value="b"), sc.called("look", value="a")), strict=True
    ):
        assert isinstance(asked, AskModel)
        scene = sc.feed(scene, replace(answer, step=asked.step, kind=asked.kind, tier=asked.tier))
    report = report_run("r", scene.events)
    assert [step.spent.model_calls for step in report.steps] == [0, 1, 1]
    lines = [line.text.strip() for line in run_lines(report, resume=AGAIN)]
    first, second = (next(n for n, line in enumerate(lines) if f"{n_step}. Use" in line) for n_step in (1, 2))
    assert '→ small proposes look(value="a")' in lines[first:second]
    assert '→ small proposes put(value="b")' in lines[second:]


def test_what_a_person_says_happened_is_an_effect_and_not_a_verdict_of_the_guard() -> None:
    scene = sc.unknown(sc.allowed(sc.feed(sc.begun(sc.step(1, "Use put")), sc.called("put", value="a"))))
    report = report_run("r", sc.answered(scene).events)
    assert [effect.text for effect in report.effects] == ["put a"]
    assert [(item.verdict, item.question) for item in report.verdicts] == [
        ("allow", ""),
        ("yes", "Did put take effect?"),
    ]
