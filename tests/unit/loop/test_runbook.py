"""A runbook is read as a person wrote it, and a setting that can't be understood is an error."""

import pytest

from nebulus.core.errors import ConfigError
from nebulus.core.plan import FileContains, Named, PathAbsent, PathExists, ToolSucceeded
from nebulus.loop.runbook import read_runbook, with_implied_checks
from tests.unit.loop import scenario as sc

TEXT = """\
# Tidy the inbox

Everything of May goes to the archive.

Constraints:
- never touch archive/2019
- keep names as they are

## Steps
1. Use look on inbox
2. put inbox/a.md
   into the archive
   - check: exists archive/a.md
   - tools: put, look
3) Think about `c`

Checks:
- absent inbox/a.md
- contains archive/a.md: May: the report
- named is_tidy
"""


def test_goal_constraints_steps_and_checks_are_kept_as_written() -> None:
    goal, plan = read_runbook(TEXT)
    assert goal.text == "Tidy the inbox\n\nEverything of May goes to the archive."
    assert goal.constraints == ("never touch archive/2019", "keep names as they are")
    assert goal.checks == (
        PathAbsent("inbox/a.md"),
        FileContains("archive/a.md", "May: the report"),
        Named("is_tidy"),
    )
    assert [step.text for step in plan.steps] == [
        "Use look on inbox",
        "put inbox/a.md into the archive",
        "Think about `c`",
    ]
    assert plan.steps[1].checks == (PathExists("archive/a.md"),)
    assert plan.steps[1].tools == ("put", "look")


def test_prose_without_numbers_is_a_goal_without_a_plan() -> None:
    goal, plan = read_runbook("Find out what 1.5 litres cost.\nThen tell me.")
    assert goal.text == "Find out what 1.5 litres cost.\nThen tell me."
    assert plan.steps == ()


def test_steps_may_follow_the_constraints_without_a_heading() -> None:
    goal, plan = read_runbook("Do it.\n\nConstraints:\n- never stop\n\n1. look a\n2. look b")
    assert goal.constraints == ("never stop",)
    assert len(plan.steps) == 2


def test_a_step_says_what_must_be_read_out_of_what_it_fetches() -> None:
    _, plan = read_runbook(
        "1. fetch the letter\n   - read weight: what the parcel weighs\n   - Read due: by when"
    )
    assert plan.steps[0].reads == {"weight": "what the parcel weighs", "due": "by when"}


def test_steps_alone_are_a_goal_too() -> None:
    goal, plan = read_runbook("1. look a\n2. look b")
    assert goal.text == "Carry out the plan."
    assert len(plan.steps) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  \n", "the goal is empty"),
        ("1. a\n3. c", "line 2: found step 3 where step 2 is expected"),
        ("1. a\n   - check: exits x", "line 2: 'exits x' is not a check; the forms are exists PATH"),
        ("Checks:\n- contains x", "line 2: 'contains x' is not a check"),
    ],
)
def test_what_can_not_be_understood_is_reported_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_runbook(text)


def test_a_step_that_names_one_tool_is_done_when_that_tool_has_succeeded() -> None:
    _, plan = read_runbook("1. Use look on x\n2. look and put\n3. think\n4. put y\n   - check: exists y")
    checks = [step.checks for step in with_implied_checks(plan, sc.TOOLS).steps]
    assert checks == [(ToolSucceeded("look"),), (), (), (ToolSucceeded("put"), PathExists("y"))]


def test_a_step_that_needs_an_unknown_tool_prevents_the_start() -> None:
    _, plan = read_runbook("1. fly\n   - tools: wings")
    with pytest.raises(
        ConfigError,
        match="step 1 needs the tool 'wings', which does not exist; the tools are drop, look, put",
    ):
        with_implied_checks(plan, sc.TOOLS)
