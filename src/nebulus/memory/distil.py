"""`State + what happened → State`: facts, observations and lessons, kept by code.

Law: finished work stays finished; no model is needed to remember it.
"""

from msgspec.structs import replace

from nebulus.core.plan import Plan, Step, StepStatus
from nebulus.core.provenance import Origin, Provenance, join
from nebulus.core.state import Artifact, Fact, Lesson, Observation, State
from nebulus.core.tools import ToolResult
from nebulus.memory.references import fact_name

FACT_VALUE_CHARS = 400
"""Longest value kept as a fact; a longer one is reached through its artifact."""
HEAD_CHARS = 400


def with_plan(state: State, plan: Plan) -> State:
    """Return `state` with `plan` in place, no step active yet."""
    return replace(state, plan=plan, active=0)


def with_active(state: State, number: int) -> State:
    """Return `state` with step `number` active and the last step's observations let go."""
    started = _with_status(state, number, StepStatus.ACTIVE)
    last = tuple(state.observations[-1:])
    return replace(started, active=number, observations=last)


def with_step_ended(state: State, status: StepStatus) -> State:
    """Return `state` with the active step ended as `status` and its lessons forgotten if it is done."""
    ended = _with_status(state, state.active, status)
    return replace(ended, active=0)


def with_result(
    state: State, *, tool: str, call_id: str, result: ToolResult, made_from: tuple[Provenance, ...] = ()
) -> State:
    """Return `state` with a tool's result distilled into facts, an artifact and the last observation.

    `made_from` are the labels of what the tool was given: they join the tool's own.
    """
    own = Provenance((Origin("tool", f"{tool} {call_id}"),), result.is_trusted)
    provenance = join((own, *made_from))
    artifacts = state.artifacts
    if result.artifact:
        artifact = Artifact(call_id, result.artifact, result.size_bytes, result.text[:HEAD_CHARS], call_id)
        artifacts = (*artifacts, artifact)
    return replace(
        state,
        facts=state.facts + _facts_of(state.active, result, provenance),
        artifacts=artifacts,
        observations=(
            Observation(
                tool,
                result.text,
                is_trusted=result.is_trusted,
                is_derived=result.is_trusted and not provenance.is_trusted,
            ),
        ),
    )


def with_error(state: State, *, tool: str, text: str) -> State:
    """Return `state` with a tool's error as the last observation."""
    return replace(state, observations=(Observation(tool, text, True),))


def with_lesson(state: State, *, kind: str, why: str) -> State:
    """Return `state` with one more failure of the active step counted, under its kind and reason."""
    lessons = list(state.lessons)
    for index, lesson in enumerate(lessons):
        if (lesson.step, lesson.kind, lesson.why) == (state.active, kind, why):
            lessons[index] = replace(lesson, count=lesson.count + 1)
            return replace(state, lessons=tuple(lessons))
    return replace(state, lessons=(*state.lessons, Lesson(state.active, kind, why)))


def _with_status(state: State, number: int, status: StepStatus) -> State:
    steps: list[Step] = list(state.plan.steps)
    steps[number - 1] = replace(steps[number - 1], status=status)
    return replace(state, plan=replace(state.plan, steps=tuple(steps)))


def _facts_of(step: int, result: ToolResult, provenance: Provenance) -> tuple[Fact, ...]:
    """Return one fact a declared field; a field called result, or a short one-line text, is the step's own."""
    values = {"" if name == "result" else name: str(value) for name, value in result.fields.items()}
    if not values and "\n" not in result.text:
        values = {"": result.text}
    return tuple(
        Fact(fact_name(step, name), value, provenance, step)
        for name, value in values.items()
        if 0 < len(value) <= FACT_VALUE_CHARS
    )
