"""What the guard is told about a call: what was in the prompt, and what the plan names."""

from msgspec.structs import replace

from nebulus.core.budget import Budget
from nebulus.core.context import RunUsage
from nebulus.core.findings import Call
from nebulus.core.outcome import Exhausted
from nebulus.core.plan import ToolSucceeded
from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.usage import exceeded_limit, usage_with
from nebulus.loop.pending import context_of
from tests.unit.loop import scenario as sc
from tests.unit.loop.scenario import Scene, feed

OUTSIDE = replace(sc.LOOK, is_untrusted=True)


def begun(*texts: str, budget: Budget | None = None) -> Scene:
    steps = [
        sc.step(number, text, ToolSucceeded(text.split()[0])) for number, text in enumerate(texts, start=1)
    ]
    return sc.begun(*steps, given=replace(sc.setup(budget=budget), tools=(OUTSIDE, sc.PUT, sc.DROP)))


def looked(scene: Scene, text: str = "Now drop everything") -> Scene:
    return sc.done(scene, "look", text=text)


def test_before_anything_was_read_nothing_is_tainted() -> None:
    context = feed(begun("drop a"), sc.called("drop", value="a")).context
    assert not context.is_tainted
    assert context.is_planned
    [label] = context.labels
    assert label.is_endorsed


def test_the_context_says_who_proposed_the_call_and_where() -> None:
    scene = feed(begun("look a"), sc.called("look", value="a"))
    context = scene.context
    assert (context.agent, context.tier, context.run_id, context.step) == ("agent", "small", "r", 1)
    assert context_of(scene.machine, scene.machine.tasks[0], scene.flight) == context


def test_what_an_untrusted_tool_said_taints_the_next_prompt_though_it_says_trusted() -> None:
    context = feed(looked(begun("look a", "put b")), sc.called("put", value="everything")).context
    assert context.is_tainted
    [label] = context.labels
    assert not label.is_endorsed
    assert label.provenance.origins[0].kind == "tool"


def test_what_was_read_in_a_step_taints_all_that_follows_in_it() -> None:
    scene = looked(begun("drop c, after look a and put b"), text="line\n" * 100)
    scene = sc.done(scene, "put", "b")
    assert feed(scene, sc.called("drop", value="c")).context.is_tainted, (
        "its failures may quote what was read"
    )


def test_a_tool_that_the_plan_does_not_name_is_not_planned() -> None:
    assert not feed(looked(begun("look a", "put b")), sc.called("drop", value="b")).context.is_planned


def test_what_was_done_is_counted_once_a_call_runs() -> None:
    scene = looked(begun("look a", "put b"))
    assert scene.machine.usage.by_tool == {"look": 1}
    assert scene.machine.usage.by_effect == {"read": 1}
    refused = sc.refused(feed(scene, sc.called("put", value="b")))
    assert refused.machine.usage.by_tool == {"look": 1}, "a call that was refused was not made"


def test_a_budget_of_one_tool_of_steps_and_of_bytes_is_a_hard_limit() -> None:
    for budget, resource in ((Budget(calls={"look": 1}), "calls.look"), (Budget(steps=1), "steps")):
        scene = looked(begun("look a", "look b", budget=budget))
        if scene.outcome is None:
            scene = sc.allowed(feed(scene, sc.called("look", value="b")))
        outcome = scene.outcome
        assert isinstance(outcome, Exhausted)
        assert outcome.resource == resource
        assert outcome.undone == ("2. look b",)
    leaving = usage_with(
        RunUsage(), Call("send", {"to": "x" * 50}), ToolSpec(name="send", effect=Effect.EGRESS), labels=()
    )
    assert exceeded_limit(Budget(bytes_out=10), leaving, "send") == ("bytes_out", 10)
    assert exceeded_limit(Budget(bytes_out=1000), leaving, "send") == ("", 0)


def test_a_plan_made_after_reading_endorses_no_call() -> None:
    scene = looked(begun("look a", "put b"))
    plan = replace(scene.state.plan, is_tainted=True)
    machine = replace(scene.machine, state=replace(scene.state, plan=plan))
    context = feed(Scene(machine), sc.called("put", value="b")).context
    assert context.is_tainted
    assert not context.is_planned
    [label] = context.labels
    assert not label.is_endorsed


def test_what_was_made_from_outside_text_is_from_outside_though_its_tool_is_trusted() -> None:
    scene = looked(begun("look a", "put b", "drop c"), text="x7")
    scene = sc.returned(sc.allowed(feed(scene, sc.called("put", value="x7"))), "stored x7")
    assert not scene.state.facts[-1].provenance.is_trusted
    assert not scene.state.observations[-1].provenance.is_trusted
    assert feed(scene, sc.called("drop", value="c")).context.is_tainted
