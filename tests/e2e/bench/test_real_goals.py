"""The forty goals: a judge says right to a right end, and never to an untouched or a damaged workspace."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bench.real_goals import measure_goals, work_of
from bench.real_parts.goal import Ended, ProseGoal, admits, judge
from bench.real_parts.goals import GOALS
from bench.real_parts.measuring import Arm, Plan, Work, measure
from bench.real_parts.records import Records, by_kind, rows_of, stopped_list, summary, wrong_list
from bench.real_parts.solutions import ended_well, solved
from nebulus.core.answers import ModelRequest
from nebulus.testing.backends import Said, ScriptedBackend, calls, says

ALL = pytest.mark.parametrize("goal", GOALS, ids=[goal.id for goal in GOALS])
REACHABLE = [goal for goal in GOALS if not goal.is_impossible]
GOAL = {goal.id: goal for goal in GOALS}
DONE = Ended(how="done", text="All done.", proof="claimed")


def test_there_are_forty_goals_and_none_is_like_another() -> None:
    assert len(GOALS) == len({goal.id for goal in GOALS}) == len({goal.text for goal in GOALS}) == 40
    assert {goal.kind for goal in GOALS} == {"files", "text", "tables", "code", "impossible", "no tool"}


@ALL
async def test_the_model_solution_is_right(goal: ProseGoal) -> None:
    verdict = judge(goal, await solved(goal), ended_well(goal))
    assert (verdict.name, verdict.why) == ("right", "")


@ALL
def test_done_with_nothing_done_and_nothing_said_is_wrong(goal: ProseGoal) -> None:
    verdict = judge(goal, goal.files, DONE)
    assert verdict.name == "wrong"
    assert verdict.why


@ALL
async def test_right_work_with_another_file_changed_made_or_gone_is_wrong_and_damage(goal: ProseGoal) -> None:
    after = await solved(goal)
    kept = sorted(goal.files.keys() - goal.expects.keys())
    damaged = [{**after, "extra.txt": "mine"}]
    damaged += [{**after, path: f"{after[path]}!"} for path in kept]
    damaged += [{name: text for name, text in after.items() if name != path} for path in kept]
    for files in damaged:
        verdict = judge(goal, files, ended_well(goal))
        assert verdict.name != "right"
        assert verdict.damage


@pytest.mark.parametrize("goal", REACHABLE, ids=[goal.id for goal in REACHABLE])
async def test_half_the_work_is_not_right(goal: ProseGoal) -> None:
    after = await solved(goal)
    for path in goal.expects:
        half = {name: text for name, text in after.items() if name != path}
        if path in goal.files:
            half[path] = goal.files[path]
        assert judge(goal, half, ended_well(goal)).name == "wrong"


@pytest.mark.parametrize(
    ("goal_id", "answer"),
    [
        ("list-photos", "There are beach.txt and harbour.txt."),
        ("count-lines", 20),
        ("count-errors", 5),
        ("compare-menus", "Nothing has changed."),
        ("find-phone", "Dr. Okafor has 555-0133"),
        ("total-expenses", 253.45),
        ("order-customer", "Agnes Moreau"),
        ("unknown-phone", "555-0110"),
        ("weather-now", 9.0),
        ("minutes", 320),
        ("thanks-in-spanish", "por favor"),
    ],
)
def test_a_wrong_answer_is_wrong(goal_id: str, answer: Any) -> None:
    goal = GOAL[goal_id]
    assert judge(goal, goal.files, Ended(how="done", answer=answer)).name == "wrong"


@pytest.mark.parametrize(
    ("goal_id", "path", "text"),
    [
        (
            "summarise-meeting",
            "summary.md",
            "Olga, Sam and Priya met. Pump bought for 4500 EUR. 11 July, 4 June.",
        ),
        ("summarise-meeting", "summary.md", GOAL["summarise-meeting"].files["meeting.txt"]),
        ("packing-list", "packing.txt", "tent, sleeping bag, torch"),
        ("collect-todos", "todo.txt", "TODO: call the electrician\n"),
        ("unpaid-customers", "reminder.txt", "Studio Vega\nGarage Petri\nHotel Aurora\nBakery Holm\n"),
        ("update-pantry", "pantry.json", '{"olive oil": 6}'),
        ("fix-timeout", "settings.py", GOAL["fix-timeout"].files["settings.py"].replace("3", "30")),
        ("add-verbose", "app.toml", GOAL["add-verbose"].files["app.toml"] + "verbose = true\n"),
        ("bump-version", "CHANGELOG.md", "## 1.5.0\n"),
    ],
)
async def test_a_wrong_text_is_wrong(goal_id: str, path: str, text: str) -> None:
    goal = GOAL[goal_id]
    after = await solved(goal)
    assert judge(goal, {**after, path: text}, ended_well(goal)).name == "wrong"


async def test_a_stop_is_neither_right_nor_wrong_and_says_whether_the_work_was_right() -> None:
    goal = GOAL["delete-log"]
    stop = Ended(how="failed", failure="model.no_progress", text="it went round in circles")
    after = await solved(goal)
    assert judge(goal, after, stop).name == judge(goal, goal.files, stop).name == "stopped"
    assert judge(goal, after, stop).is_work_right
    assert not judge(goal, goal.files, stop).is_work_right


def test_what_cannot_be_done_is_right_when_refused_or_admitted_but_not_at_a_limit() -> None:
    goal = GOAL["send-offer"]
    assert judge(goal, goal.files, Ended(how="refused", failure="egress")).name == "right"
    assert judge(goal, goal.files, Ended(how="done", text="I can't send e-mail.")).name == "right"
    assert judge(goal, goal.files, Ended(how="done", text="Sent to anna@keller.example.")).name == "wrong"
    assert judge(goal, goal.files, Ended(how="limit")).name == "stopped"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("I'm sorry, but I can’t find report-2025.md.", True),
        ("The file does not exist.", True),
        ("No such contact.", True),
        ("Unfortunately it is impossible to send mail from here.", True),
        ("The e-mail was sent.", False),
        ("9.0", False),
        (9.0, False),
    ],
)
def test_an_admission_is_told_from_a_claim(said: Any, expected: bool) -> None:
    assert admits(said) is expected


def scripted(goal: ProseGoal, *, is_constrained: bool) -> ScriptedBackend:
    """A model that makes the calls of the model solution and then ends."""
    acts = [calls(each.tool, **each.arguments) for each in goal.calls]
    last: Said = calls("finish", answer=goal.answer or "done") if is_constrained else says(str(goal.answer))
    return ScriptedBackend([*acts, last])


@pytest.mark.parametrize("arm", ["loop", "loop-constrained"])
@pytest.mark.parametrize("goal_id", ["delete-log", "find-phone"])
async def test_a_plain_loop_with_a_model_that_is_right_is_right(arm: Arm, goal_id: str) -> None:
    goal = GOAL[goal_id]
    model = scripted(goal, is_constrained=arm == "loop-constrained")
    row = await measure(work_of(goal), Plan(model="scripted.gguf", arm=arm), model)
    assert (row.verdict, row.why, row.model, row.arm) == ("right", "", "scripted", arm)
    assert row.answers == len(goal.calls) + 1
    assert row.approvals == (goal_id == "delete-log")
    assert row.first_success_s is not None


async def test_nebulus_on_a_runbook_with_a_model_that_is_right_is_right() -> None:
    goal = GOAL["delete-log"]
    work = Work(
        item="delete",
        kind="files",
        text="Tidy up.\n\n1. Use delete_file on old.log",
        files=goal.files,
        judge=lambda after, ended: judge(goal, after, ended),
    )
    model = ScriptedBackend(lambda _: calls("delete_file", path="old.log"))
    row = await measure(work, Plan(model="scripted.gguf", arm="nebulus"), model)
    assert (row.verdict, row.why, row.approvals) == ("right", "", 1)
    assert row.calls == ["delete_file(path='old.log') ok"]
    assert row.first_success_s is not None


async def test_a_run_that_takes_too_long_is_stopped_and_the_next_one_is_measured() -> None:
    goal = GOAL["minutes"]
    plan = Plan(model="scripted.gguf", arm="nebulus", seconds=0.0)
    row = await measure(work_of(goal), plan, ScriptedBackend())
    assert (row.verdict, row.how) == ("stopped", "limit")


async def test_a_typed_answer_of_a_plain_loop_is_asked_for_as_json() -> None:
    goal = GOAL["find-function"]

    def answer(request: ModelRequest) -> Said:
        asked = request.messages[-1].content
        return says('```json\n{"path": "lib/dates.py", "line": 11}\n```' if "JSON" in asked else "Line 11.")

    row = await measure(work_of(goal), Plan(model="scripted.gguf", arm="loop"), ScriptedBackend(answer))
    assert (row.verdict, row.answers) == ("right", 2)


async def test_a_measurement_goes_on_where_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, goals = tmp_path / "goals.jsonl", [GOAL["delete-log"], GOAL["send-offer"]]
    plans = [Plan(model="scripted.gguf", arm="loop-constrained")]

    def finish(_: ModelRequest) -> Said:
        return calls("finish", answer="I can't do that.")

    await measure_goals(goals[:1], plans, ScriptedBackend(finish), records=Records(file))
    with pytest.raises(SystemExit, match="--resume"):
        Records(file)
    model = ScriptedBackend(finish)
    await measure_goals(goals, plans, model, records=Records(file, resumes=True))
    assert len(model.requests) == 1
    rows = rows_of(file)
    assert [(row.item, row.verdict) for row in rows] == [("delete-log", "wrong"), ("send-offer", "right")]
    said = capsys.readouterr().out
    assert "✗ 1/1 scripted loop-constrained delete-log: wrong" in said
    assert "| scripted | loop-constrained | 1/2 |" in summary(rows)
    assert "| 0/1 | 1/1 |" in by_kind(rows)
    assert "delete-log (claimed): old.log is still there" in wrong_list(rows)
    assert stopped_list(rows) == "Stopped loudly: none."


def test_a_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "goals.jsonl"
    file.write_text(
        '{"model": "m", "arm": "loop", "item": "a", "kind": "files", "verdict": "right"}\n{"model": "m", "ar'
    )
    records = Records(file, resumes=True)
    records.add(structs.replace(records.rows[0], item="b"))
    assert [row.item for row in rows_of(file)] == ["a", "b"]
