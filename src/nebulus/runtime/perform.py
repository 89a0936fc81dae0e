"""Performs one command and returns what happened, as an event.

Invariants: expected failures are returned as events; an effect that may have happened is never reported as a failure.
"""

from typing import assert_never

from msgspec.structs import replace

from nebulus.core.answers import ModelRequest
from nebulus.core.commands import AskModel, AskPerson, Command, EvaluateChecks, RunTool, Wait
from nebulus.core.config import RunConfig
from nebulus.core.errors import BackendError
from nebulus.core.events import (
    ChecksEvaluated,
    Event,
    ModelAnswered,
    ModelFailed,
    PersonAbsent,
    PersonAnswered,
    ToolFailed,
    WaitEnded,
)
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.outcome import Question
from nebulus.guard.departure import departure_refusal
from nebulus.loop.request import ComposedRequest
from nebulus.memory.window import too_large
from nebulus.ports.backend import ModelBackend
from nebulus.runtime.effects import run_tool, with_real_values
from nebulus.runtime.world import World


async def perform(
    command: RunTool | AskPerson | EvaluateChecks | Wait, world: World, *, may_have_run: bool
) -> Event:
    """Perform `command` and return what happened.

    `may_have_run`: an earlier process may have begun this call before it died.
    """
    match command:
        case RunTool():
            real = with_real_values(command, world)
            if isinstance(real, ToolFailed):
                return real
            arguments = world.secrets.revealed(real.call.arguments, real.call.tool)
            real = replace(real, call=replace(real.call, arguments=arguments))
            return await run_tool(real, world, may_have_run=may_have_run)
        case AskPerson():
            return await _ask_person(command.question, world)
        case EvaluateChecks():
            return await _evaluate(command, world)
        case Wait():
            left_s = command.until_s - world.clock.time_s() if command.until_s else command.seconds
            await world.clock.sleep(min(command.seconds, max(0.0, left_s)))
            return WaitEnded(step=command.step, seconds=command.seconds, call_id=command.call_id)
        case _:
            assert_never(command)


def handed_out(command: Command, world: World) -> Command:
    """Return `command` as a host performs it: a tool's arguments have the values that references stand for.

    A reference that can't be read any more stays one, and the host's tool must refuse it.
    """
    if not isinstance(command, RunTool):
        return command
    real = with_real_values(command, world)
    return command if isinstance(real, ToolFailed) else real


async def ask_model(
    command: AskModel, composed: ComposedRequest, world: World, *, config: RunConfig
) -> ModelAnswered | ModelFailed:
    """Ask the model of the command's tier for an answer to `composed`, unless that may not leave this machine."""
    began, name = world.clock.now_s(), f"tier {command.tier}"
    about = {"step": command.step, "kind": command.kind, "tier": command.tier, "call_id": command.call_id}
    refusal = departure_refusal(composed.prompt, config.tier(command.tier), config.route)
    if refusal is not None:
        return ModelFailed(failure=refusal, **about)  # type: ignore[arg-type]
    resting = world.breakers.refusal(name, fault=Fault.BACKEND, now_s=began)
    if resting is not None:
        return ModelFailed(failure=resting, **about)  # type: ignore[arg-type]
    backend = world.backends[command.tier]
    on_text = world.observers.on_text if world.observers.is_watching else None
    try:
        if composed.is_tight:
            await _require_room(composed, backend)
        answer = await backend.answer(composed.request, on_text)
    except BackendError as error:
        world.breakers.saw(name, error.failure, now_s=world.clock.now_s())
        took_s = _since(began, world)
        return ModelFailed(failure=error.failure, took_s=took_s, **about)  # type: ignore[arg-type]
    world.breakers.saw(name, None, now_s=world.clock.now_s())
    return ModelAnswered(
        answer=answer,
        prompt_bytes=composed.size_bytes,
        tools_shown=composed.tools_shown,
        took_s=_since(began, world),
        **about,  # type: ignore[arg-type]
    )


async def _require_room(composed: ComposedRequest, backend: ModelBackend) -> None:
    """Raise if an exact count shows that prompt and answer can't both fit; an estimate never rejects a request."""
    request: ModelRequest = composed.request
    count, info = await backend.count(request), await backend.describe()
    if count.is_exact and count.tokens + request.most_tokens > info.window_tokens:
        what = too_large(
            request, tokens=count.tokens, window_tokens=info.window_tokens, prompt=composed.prompt
        )
        raise BackendError(
            Failure(
                kind=FailureKind.PROMPT_TOO_LARGE,
                fault=Fault.BUDGET,
                what=what,
                fix="a larger window, a shorter goal, or fewer tools",
            )
        )


async def _ask_person(question: Question, world: World) -> PersonAnswered | PersonAbsent:
    reply = await world.person.ask(question)
    if reply is None:
        return PersonAbsent(question_id=question.question_id)
    return PersonAnswered(question_id=question.question_id, is_yes=reply.is_yes, text=reply.text, by=reply.by)


async def _evaluate(command: EvaluateChecks, world: World) -> ChecksEvaluated:
    why = tuple([await world.checker.failure_of(check) for check in command.checks])
    passed = tuple(not reason for reason in why)
    return ChecksEvaluated(step=command.step, passed=passed, why=why if any(why) else ())


def _since(began: float, world: World) -> float:
    return round(world.clock.now_s() - began, 6)
