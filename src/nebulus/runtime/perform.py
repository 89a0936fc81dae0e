"""One command, performed: what happened, as an event.

Laws: what is expected to go wrong comes back as an event; what may have happened to the world is never
called a failure.
"""

from typing import Any, assert_never

from msgspec.structs import replace

from nebulus.core.answers import ModelRequest
from nebulus.core.commands import AskModel, AskPerson, Intend, Judge, RunChecks, RunTool, Wait
from nebulus.core.context import Context, Judged
from nebulus.core.digest import canonical
from nebulus.core.errors import BackendError
from nebulus.core.events import (
    ApprovalAsked,
    CallAllowed,
    CallRefused,
    ChecksJudged,
    EffectIntended,
    Event,
    ModelAnswered,
    ModelFailed,
    PersonAbsent,
    PersonAnswered,
    TimePassed,
)
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.findings import Call
from nebulus.core.outcome import Question
from nebulus.core.plan import Check
from nebulus.core.tools import SandboxLevel, ToolSpec
from nebulus.core.verdict import Allow, Ask, Refuse, Verdict
from nebulus.memory.prompt import bounded
from nebulus.memory.window import too_large
from nebulus.ports.backend import ModelBackend
from nebulus.runtime.effects import run_tool
from nebulus.runtime.world import World

JUDGED_CHARS = 2000
"""Longest spelling of a call's arguments that is recorded with a verdict; the model's answer holds the whole."""

_STRENGTH = {SandboxLevel.NONE: 0, SandboxLevel.LANDLOCK: 1, SandboxLevel.NAMESPACES: 2}


async def perform(
    command: AskModel | Intend | RunTool | AskPerson | RunChecks | Wait, world: World, *, may_have_run: bool
) -> Event:
    """Do what `command` wants and return what happened.

    `may_have_run`: an earlier process may have begun this very command before it died.
    """
    match command:
        case AskModel():
            return await _ask_model(command, world)
        case Intend():
            return EffectIntended(call_id=command.call.call_id, key=command.key)
        case RunTool():
            call = replace(
                command.call, arguments=world.secrets.revealed(command.call.arguments, command.call.tool)
            )
            return await run_tool(replace(command, call=call), world, may_have_run=may_have_run)
        case AskPerson():
            return await _ask_person(command.question, world)
        case RunChecks():
            return await _run_checks(command.checks, world)
        case Wait():
            await world.clock.sleep(command.seconds)
            return TimePassed(seconds=command.seconds)
        case _:
            assert_never(command)


def judge(command: Judge, world: World) -> CallAllowed | CallRefused | ApprovalAsked:
    """Return the guard's word on a call: paths are made canonical first, then the policy decides.

    An error while deciding is a refusal.
    """
    call, spec = command.call, world.tools[command.call.tool].spec
    verdict, paths = _decided(command, spec, world)
    changed = {name: path for name, path in paths.items() if call.arguments[name] != path}
    about: dict[str, Any] = {
        "call_id": call.call_id,
        "rule": verdict.rule,
        "policy_digest": world.policy.digest,
        "sandbox": world.sandbox_level,
        "judged": _recorded(Call(call.tool, {**call.arguments, **paths}), command.context),
    }
    match verdict:
        case Allow():
            return CallAllowed(canonical=changed, **about)
        case Refuse(reason=reason):
            return CallRefused(reason=reason, **about)
        case Ask(reason=reason):
            return ApprovalAsked(reason=reason, canonical=changed, **about)


def _decided(command: Judge, spec: ToolSpec, world: World) -> tuple[Verdict, dict[str, str]]:
    """Return the verdict and the canonical paths that it is about."""
    call = command.call
    paths = _canonical_paths(call, spec, world)
    if isinstance(paths, Failure):
        return Refuse("workspace", paths.what), {}
    if _STRENGTH[world.sandbox_level] < _STRENGTH[spec.least_sandbox]:
        return Refuse("sandbox", _too_weak(spec, world.sandbox_level)), paths
    judged = Call(call.tool, {**call.arguments, **paths}, call.call_id)
    try:
        return world.policy.judge(judged, spec, command.context), paths
    except Exception as error:  # noqa: BLE001 - whatever broke, the call is refused, and the record says why
        why = f"the policy could not decide: {type(error).__name__}: {error}"
        return Refuse("guard.error", bounded(why, 400)), paths


def _too_weak(spec: ToolSpec, level: SandboxLevel) -> str:
    return (
        f"{spec.name} needs the sandbox level {spec.least_sandbox.value}, and this machine gives {level.value}; "
        "run `nebulus doctor` to see what is missing"
    )


def _recorded(call: Call, context: Context) -> Judged:
    spelled = bounded(canonical(call.arguments).decode(), JUDGED_CHARS)
    return Judged(
        tool=call.tool,
        arguments=spelled,
        labels=context.labels,
        is_tainted=context.is_tainted,
        is_planned=context.is_planned,
    )


def _canonical_paths(call: Call, spec: ToolSpec, world: World) -> dict[str, str] | Failure:
    paths: dict[str, str] = {}
    for name in spec.paths:
        given = call.arguments.get(name)
        if given is None or world.workspace is None:
            continue
        canonical = world.workspace.canonical(str(given))
        if isinstance(canonical, Failure):
            return canonical
        paths[name] = canonical
    return paths


async def _ask_model(command: AskModel, world: World) -> ModelAnswered | ModelFailed:
    began, name = world.clock.now_s(), f"tier {command.tier}"
    resting = world.breakers.refusal(name, fault=Fault.BACKEND, now_s=began)
    if resting is not None:
        return ModelFailed(tier=command.tier, failure=resting)
    backend = world.backends[command.tier]
    on_text = world.observers.on_text if world.observers.is_watching else None
    try:
        if command.is_tight:
            await _require_room(command.request, backend)
        answer = await backend.answer(command.request, on_text)
    except BackendError as error:
        world.breakers.saw(name, error.failure, now_s=world.clock.now_s())
        return ModelFailed(tier=command.tier, failure=error.failure, took_s=_since(began, world))
    world.breakers.saw(name, None, now_s=world.clock.now_s())
    return ModelAnswered(tier=command.tier, answer=answer, took_s=_since(began, world))


async def _require_room(request: ModelRequest, backend: ModelBackend) -> None:
    """Raise where an exact count shows that prompt and answer can't both fit; an estimate convicts nobody."""
    count, info = await backend.count(request), await backend.describe()
    if count.is_exact and count.tokens + request.most_tokens > info.window_tokens:
        raise BackendError(
            Failure(
                kind=FailureKind.PROMPT_TOO_LARGE,
                fault=Fault.BUDGET,
                what=too_large(request, tokens=count.tokens, window_tokens=info.window_tokens),
                fix="a larger window, a shorter goal, or fewer tools",
            )
        )


async def _ask_person(question: Question, world: World) -> PersonAnswered | PersonAbsent:
    reply = await world.person.ask(question)
    if reply is None:
        return PersonAbsent(question_id=question.question_id)
    return PersonAnswered(question_id=question.question_id, is_yes=reply.is_yes, text=reply.text, by=reply.by)


async def _run_checks(checks: tuple[Check, ...], world: World) -> ChecksJudged:
    why = tuple([await world.checker.holds(check) for check in checks])
    return ChecksJudged(held=tuple(not reason for reason in why), why=why if any(why) else ())


def _since(began: float, world: World) -> float:
    return round(world.clock.now_s() - began, 6)
