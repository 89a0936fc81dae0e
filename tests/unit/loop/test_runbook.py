"""A runbook is read as a person wrote it, and a setting that can't be understood is an error."""

import pytest

from nebulus.core.errors import ConfigError
from nebulus.core.plan import FileContains, Named, PathAbsent, PathExists, Plan, Step, ToolSucceeded
from nebulus.core.tools import ToolSpec
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


@pytest.mark.parametrize(
    ("text", "goal", "steps"),
    [
        ("Tidy.\n\n* Use read_file with path = a\n+ Use list_files", "Tidy.", ("Use read_file with path = a", "Use list_files")),
        ("Tidy.\n\n- [ ] list it\n- [ ] write it", "Tidy.", ("list it", "write it")),
        ("Tidy.\n\n- [x] list it\n  - check: exists a\n- [ ] write it", "Tidy.", ("write it",)),
        ("Tidy these:\n- a\n\nSteps:\n- list it\n- write it", "Tidy these:\n- a", ("list it", "write it")),
        ("Make a list:\n- apples\n- Use my_knife", "Make a list:\n- apples\n- Use my_knife", ()),
        ("Tidy.\n\nConstraints:\n- Use list_files only", "Tidy.", ()),
        ("Write this down:\n1. Use list_files\n- [ ] not a step", "Write this down:\n- [ ] not a step", ("Use list_files",)),
    ],
)  # fmt: skip
def test_a_list_is_a_list_of_steps_only_where_that_is_certain(
    text: str, goal: str, steps: tuple[str, ...]
) -> None:
    read, plan = read_runbook(text)
    assert read.text == goal
    assert tuple(step.text for step in plan.steps) == steps
    assert [step.number for step in plan.steps] == list(range(1, len(steps) + 1))


def test_the_settings_of_an_item_belong_to_its_step() -> None:
    _, plan = read_runbook("Tidy.\n\n- [ ] move it\n  - check: exists b\n- [x] old\n  - check: exists c")
    assert [step.checks for step in plan.steps] == [(PathExists("b"),)]


def test_a_misspelled_tool_stops_the_start_and_the_nearest_is_named() -> None:
    tools = (ToolSpec(name="read_file"), ToolSpec(name="list_files"))
    with pytest.raises(
        ConfigError, match="step 1 uses the tool 'raed_file', which does not exist; did you mean 'read_file'"
    ):
        with_implied_checks(Plan((Step(number=1, text="Use raed_file with path = a"),)), tools)
    plain = Plan((Step(number=1, text="Use plain_words where you can"),))
    assert with_implied_checks(plain, tools) == plain
