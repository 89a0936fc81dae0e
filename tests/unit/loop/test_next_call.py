"""A goal without a plan is worked on call by call: what was called stays visible, and nothing ends by mistake."""

import pytest
from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.answers import OneCall, Shape
from nebulus.core.commands import AskModel, EvaluateChecks, JudgeCall, RunTool
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.findings import FindingKind
from nebulus.core.outcome import Done, Failed, Proof
from nebulus.core.plan import GOAL, Goal, PathExists, PlanMode
from nebulus.core.result import ResultSpec
from nebulus.core.tools import Effect, ToolSpec
from nebulus.loop import phases as p
from nebulus.loop.machine import new_machine
from tests.unit.loop import scenario as sc
from tests.unit.loop.scenario import Scene, feed

READ = ToolSpec(
    name="read",
    parameters={**sc.VALUE, "properties": {"value": {"type": "string"}}},
    effect=Effect.READ,
    paths=("value",),
)


def begun(text: str = "Get it done.", *tools: ToolSpec, files: tuple[str, ...] = ()) -> Scene:
    config = replace(sc.setup(tiers=(sc.LARGE,)), tools=(*sc.TOOLS, *tools), planning=PlanMode.NEXT)
    started = e.RunStarted(goal=Goal(text=text), config=config, run_id="r", files=files)
    return feed(Scene(new_machine(config)), started)


def made(scene: Scene, tool: str, value: str, *, result: str = "fine") -> Scene:
    return sc.done(scene, tool, value, result)


def finished(scene: Scene, summary: str = "All is done.", *, is_done: bool = True) -> Scene:
    if is_done:
        return feed(scene, sc.called("finish", summary=summary))
    return feed(scene, sc.called("give_up", reason=summary))


def test_the_goal_itself_is_the_only_step_and_no_plan_is_asked_for() -> None:
    scene = begun()
    assert scene.state.plan.origin == GOAL
    assert [step.text for step in scene.state.plan.steps] == ["Get it done."]
    assert scene.request.form == OneCall()
    assert [tool.name for tool in scene.request.tools] == ["look", "put", "drop", "finish", "give_up"]


def test_each_call_so_far_is_a_turn_and_a_prompt_begins_with_the_one_before() -> None:
    first = begun(files=("a.md", "b.md"))
    second = made(first, "look", "a", result="seven")
    third = made(second, "look", "b", result="eight")
    messages = third.request.messages
    assert [message.role for message in messages] == ["system", "user", *("assistant", "tool") * 2]
    assert [message.content for message in messages[3::2]] == ["seven", "eight"]
    assert messages[2].calls[0].arguments == '{"value":"a"}'
    assert second.request.messages == messages[:4]
    assert first.request.messages == messages[:2]
    assert "- a.md\n- b.md" in messages[1].content


def test_the_room_for_results_is_bounded_and_the_newest_is_whole() -> None:
    scene = begun()
    for number in range(20):
        scene = made(scene, "look", f"n{number}", result=f"{number} " + "x" * 3000)
    sizes = [len(message.content) for message in scene.request.messages if message.role == "tool"]
    assert scene.composed.size_bytes < 22_000
    assert sizes[-1] > 3000
    assert len(sizes) == 20
    assert max(sizes[:8]) < 300


def test_a_call_that_was_made_is_barred_when_the_model_repeats_it() -> None:
    scene = feed(made(begun(), "look", "a"), sc.called("look", value="a"))
    assert scene.request.form == OneCall(barred=("look",))
    assert [tool.name for tool in scene.request.tools] == ["look", "put", "drop", "finish", "give_up"]
    again = made(scene, "put", "b")
    assert again.request.form == OneCall()
    assert again.attempts.findings == ()


def test_the_end_is_claimed_in_the_models_words() -> None:
    outcome = finished(made(begun(), "put", "a"), "I put a.").outcome
    assert isinstance(outcome, Done)
    assert outcome.proof is Proof.CLAIMED
    assert outcome.summary == "1 call made; the model says: I put a."


def test_a_model_that_gives_up_is_asked_once_more_and_then_the_run_fails() -> None:
    scene = finished(made(begun(), "look", "a"), "There is no such file.", is_done=False)
    assert scene.outcome is None
    outcome = finished(scene, "There is no such file.", is_done=False).outcome
    assert isinstance(outcome, Failed)
    assert outcome.failure.kind is FailureKind.NO_PROGRESS
    assert "There is no such file." in outcome.failure.value


def test_a_path_that_the_goal_names_and_no_call_used_is_pointed_out_once() -> None:
    scene = finished(begun("Summarise a.md", READ))
    assert scene.attempts.findings[-1].kind is FindingKind.UNUSED
    assert "a.md" in scene.shown
    used = made(begun("Summarise a.md", READ), "read", "a.md")
    assert isinstance(finished(used).outcome, Done)


def test_a_quotation_that_no_call_used_is_reported_and_delays_nothing() -> None:
    outcome = finished(begun('Write "hello" down.')).outcome
    assert isinstance(outcome, Done)
    assert "in doubt: step 1" in outcome.summary
    used = finished(made(begun('Write "hello" down.'), "put", "hello")).outcome
    assert isinstance(used, Done)
    assert "in doubt" not in used.summary


def test_the_names_of_files_leave_a_small_window_to_more_important_things() -> None:
    files = tuple(f"folder/with/a/long/name/{number}.md" for number in range(40))
    assert "Files at the start" in begun(files=files).request.messages[1].content
    tier = replace(sc.LARGE, window_tokens=1_500, reserve_tokens=256)
    config = replace(sc.setup(tiers=(tier,)), planning=PlanMode.NEXT)
    started = e.RunStarted(goal=Goal(text="Get it done."), config=config, run_id="r", files=files)
    small = feed(Scene(new_machine(config)), started)
    assert "Files at the start" not in small.request.messages[1].content


def test_a_file_that_the_goal_names_and_that_is_neither_used_nor_there_is_not_done() -> None:
    scene = finished(finished(begun("Write a summary to summary.md", READ)))
    assert scene.activity is p.Checking
    assert scene.command == EvaluateChecks(step=1, checks=(PathExists("summary.md"),))
    absent = sc.checked(scene, False)
    assert absent.outcome is None
    again = sc.checked(finished(sc.checked(finished(absent), False)), False)
    assert isinstance(again.outcome, Failed)
    assert again.outcome.failure.kind is FailureKind.CHECK_FAILED
    there = sc.checked(scene, True).outcome
    assert isinstance(there, Done)
    assert there.proof is Proof.CLAIMED


def looked_for(goal: str) -> Scene:
    tried = feed(begun(goal, READ), sc.called("read", value="old.md"))
    missing = Failure(kind=FailureKind.NOT_FOUND, fault=Fault.TOOL, what="there is no such file")
    return sc.broken(sc.allowed(tried), missing)


def test_a_file_that_was_looked_for_in_vain_is_pointed_out_once_and_is_a_doubt_at_the_end() -> None:
    scene = finished(made(looked_for("Delete old.md if it is there"), "look", "."))
    assert scene.attempts.findings[-1].kind is FindingKind.MISSING
    assert "Before you end: the goal names old.md, and there is no such file." in scene.shown
    outcome = finished(scene).outcome
    assert isinstance(outcome, Done)
    assert "in doubt: step 1" in outcome.summary
    assert "in doubt: there is no old.md" in outcome.evidence[-1].what


def test_a_file_is_pointed_out_as_missing_also_where_it_was_pointed_out_as_unused() -> None:
    scene = finished(begun("Summarise old.md", READ))
    assert scene.attempts.findings[-1].kind is FindingKind.UNUSED
    missing = Failure(kind=FailureKind.NOT_FOUND, fault=Fault.TOOL, what="there is no such file")
    tried = sc.broken(sc.allowed(feed(scene, sc.called("read", value="old.md"))), missing)
    again = finished(made(tried, "look", "."))
    assert again.attempts.findings[-1].kind is FindingKind.MISSING
    assert isinstance(finished(again).outcome, Done)


def test_a_file_that_was_found_in_the_end_is_not_missing() -> None:
    scene = made(looked_for("Summarise old.md"), "look", "old.md")
    outcome = finished(scene).outcome
    assert isinstance(outcome, Done)
    assert "in doubt" not in outcome.summary


def test_a_model_may_give_up_on_a_file_that_is_missing() -> None:
    scene = finished(looked_for("Summarise old.md"), "There is no old.md.", is_done=False)
    assert isinstance(finished(scene, "There is no old.md.", is_done=False).outcome, Failed)


def test_a_file_that_is_replaced_unseen_is_named_to_whoever_runs_the_call() -> None:
    write = ToolSpec(
        name="write", parameters=sc.VALUE, effect=Effect.WRITE, paths=("value",), replaces=("value",)
    )
    scene = begun("Write all that to b.md", write, files=("a.md", "b.md"))

    def unseen(scene: Scene, path: str) -> tuple[str, ...]:
        command = sc.allowed(feed(scene, sc.called("write", value=path))).command
        assert isinstance(command, RunTool)
        return command.unseen

    assert unseen(scene, "a.md") == ("a.md",)
    assert unseen(scene, "b.md") == ("b.md",)
    assert unseen(made(scene, "look", "a.md"), "a.md") == ()
    deep = "folder/" * 40 + "a.md"
    assert unseen(made(scene, "look", deep), deep) == ()


def test_a_tool_called_finish_keeps_its_name() -> None:
    own = ToolSpec(name="finish", parameters=sc.VALUE, effect=Effect.READ)
    names = [tool.name for tool in begun("Do it.", own).request.tools]
    assert names == ["look", "put", "drop", "finish", "finish_work", "give_up"]


def test_the_answer_is_asked_for_at_the_end_of_the_prompts_before_it() -> None:
    spec = ResultSpec(schema={"type": "number"})
    config = replace(sc.setup(tiers=(sc.LARGE,)), planning=PlanMode.NEXT)
    goal = Goal(text="How warm is it?", result=spec)
    scene = feed(Scene(new_machine(config)), e.RunStarted(goal=goal, config=config, run_id="r"))
    scene = made(scene, "look", "Oslo", result="7 degrees")
    last = scene.request
    asked = finished(scene, "It is 7 degrees in Oslo.")
    assert asked.request.messages[: len(last.messages)] == last.messages
    assert "You ended the calls with: It is 7 degrees in Oslo." in asked.shown
    assert asked.request.tools == last.tools
    assert isinstance(asked.request.form, Shape)
    assert "How warm is it?" in asked.shown
    outcome = feed(asked, sc.said('{"answer": 7}')).outcome
    assert isinstance(outcome, Done)
    assert outcome.answer == 7


def test_a_text_is_asked_for_as_a_field_where_tools_are_shown() -> None:
    config = replace(sc.setup(tiers=(sc.LARGE,)), planning=PlanMode.NEXT)
    goal = Goal(text="How warm is it?", result=ResultSpec())
    scene = feed(Scene(new_machine(config)), e.RunStarted(goal=goal, config=config, run_id="r"))
    asked = finished(made(scene, "look", "Oslo", result="7 degrees"))
    assert isinstance(asked.request.form, Shape)
    outcome = feed(asked, sc.said('{"answer": "It is 7 degrees."}')).outcome
    assert isinstance(outcome, Done)
    assert outcome.answer == "It is 7 degrees."


def test_a_model_that_gives_up_with_something_untried_must_try_before_it_may_end() -> None:
    scene = finished(begun("Summarise a.md", READ), "I can't.", is_done=False)
    assert scene.request.form == OneCall(barred=("finish", "give_up"))
    tried = sc.allowed(feed(scene, sc.called("read", value="a.md")))
    missing = Failure(kind=FailureKind.NOT_FOUND, fault=Fault.TOOL, what="there is no such file")
    after = sc.broken(tried, missing)
    assert after.request.form == OneCall()
    outcome = finished(after, "There is no a.md.", is_done=False).outcome
    assert isinstance(outcome, Failed)


def test_mistakes_of_one_kind_leave_the_others_their_attempts() -> None:
    scene = feed(made(begun(), "look", "a"), sc.called("look", value="a"))
    scene = finished(scene, "I can't.", is_done=False)
    assert scene.outcome is None
    assert isinstance(finished(scene, "I can't.", is_done=False).outcome, Failed)


def test_a_model_that_has_changed_something_is_never_made_to_go_on() -> None:
    scene = finished(made(begun("Delete all files but keep.md", READ), "drop", "a.md"))
    assert scene.attempts.findings[-1].kind is FindingKind.UNUSED
    assert scene.request.form == OneCall()


@pytest.mark.parametrize(("window", "shown"), [(32_768, 40), (2_048, 20)])
def test_every_tool_is_shown_that_fits_since_another_can_not_be_chosen(window: int, shown: int) -> None:
    tools = tuple(replace(sc.LOOK, name=f"look_{number}") for number in range(40))
    tier = replace(sc.LARGE, window_tokens=window, reserve_tokens=256)
    config = replace(sc.setup(tiers=(tier,)), tools=tools, planning=PlanMode.NEXT)
    started = e.RunStarted(goal=Goal(text="Get it done."), config=config, run_id="r")
    scene = feed(Scene(new_machine(config)), started)
    count = len(scene.request.tools) - 2
    assert count == shown if shown == 40 else 5 <= count < shown


def test_a_constrained_call_that_the_goal_quotes_is_made_and_a_free_one_is_asked_for_again() -> None:
    free = sc.called("drop", value="a")
    constrained = replace(free, answer=replace(free.answer, is_constrained=True))
    scene = begun(f"Do what this says: {free.answer.text}")
    assert isinstance(feed(scene, free).command, AskModel)
    assert isinstance(feed(scene, constrained).command, JudgeCall)
