"""A model's plan is compared with the goal before it starts, and again when it has ended."""

import json

from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.commands import EvaluateChecks
from nebulus.core.failure import FailureKind
from nebulus.core.findings import FindingKind
from nebulus.core.outcome import Done, Failed, Proof
from nebulus.core.plan import Goal, PathExists
from nebulus.loop import phases as p
from nebulus.loop.machine import new_machine
from tests.unit.loop import scenario as sc
from tests.unit.loop.scenario import Scene, feed

TOOLS = tuple(replace(tool, paths=("value",)) for tool in sc.TOOLS)
GOAL_TEXT = "Read a.md and write a summary to summary.md"


def planning(goal: str = GOAL_TEXT) -> Scene:
    config = replace(sc.setup(), tools=TOOLS)
    started = e.RunStarted(goal=Goal(text=goal), config=config, run_id="r")
    return feed(Scene(new_machine(config)), started)


def planned(scene: Scene, *steps: tuple[str, str]) -> Scene:
    return feed(scene, sc.said(json.dumps({"steps": [{"text": text, "tool": tool} for text, tool in steps]})))


def test_a_plan_that_leaves_out_what_the_goal_names_is_asked_for_once_more() -> None:
    scene = planned(planning(), ("look at a.md", "look"))
    assert scene.phase is p.Planning
    assert scene.attempts.findings[-1].kind is FindingKind.UNUSED
    assert "summary.md" in scene.shown
    assert planned(scene, ("look at a.md", "look")).phase is p.Working
    assert planned(scene, ("look at a.md", "look"), ("put it into summary.md", "put")).phase is p.Working


def test_a_plan_whose_step_is_the_whole_goal_again_is_not_accepted() -> None:
    scene = planned(planning(), (f"1. {GOAL_TEXT}.", "look"), ("put summary.md", "put"))
    assert scene.attempts.findings[-1].kind is FindingKind.BAD_PLAN
    assert planned(planning(), (GOAL_TEXT, "put")).phase is p.Working


def test_a_file_that_the_goal_names_and_no_call_used_must_at_least_be_there() -> None:
    scene = planned(planned(planning(), ("look at a.md", "look")), ("look at a.md", "look"))
    ended = sc.done(scene, "look", "a.md")
    assert ended.command == EvaluateChecks(step=0, checks=(PathExists("summary.md"),))
    failed = sc.checked(ended, False, why=("summary.md does not exist",)).outcome
    assert isinstance(failed, Failed)
    assert failed.failure.kind is FailureKind.CHECK_FAILED
    assert "summary.md" in failed.failure.value
    done = sc.checked(ended, True).outcome
    assert isinstance(done, Done)
    assert done.proof is Proof.CLAIMED
