"""One command, performed: what happened, as an event.

Laws: what is expected to go wrong comes back as an event; what may have happened to the world is never
called a failure.
"""

from typing import assert_never

from nebulus.core.answers import ModelRequest
from nebulus.core.commands import AskModel, AskPerson, Intend, Judge, RunChecks, RunTool, Wait
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
from nebulus.core.failure import Failure
from nebulus.core.findings import Call
from nebulus.core.outcome import Question
from nebulus.core.plan import Check
from nebulus.core.tools import SandboxLevel, ToolSpec
from nebulus.core.verdict import Allow, Ask, Refuse
from nebulus.runtime.effects import run_tool
from nebulus.runtime.world import World

_STRENGTH = {SandboxLevel.NONE: 0, SandboxLevel.LANDLOCK: 1, SandboxLevel.NAMESPACES: 2}


async def perform(
    command: AskModel | Intend | RunTool | AskPerson | RunChecks | Wait, world: World, *, may_have_run: bool
) -> Event:
    """Do what `command` wants and return what happened.

    `may_have_run`: an earlier process may have begun this very command before it died.
    """
    match command:
        case AskModel():
            return await _ask_model(command.tier, command.request, world)
        case Intend():
            return EffectIntended(call_id=command.call.call_id, key=command.key)
        case RunTool():
            return await run_tool(command, world, may_have_run=may_have_run)
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
    """Return the guard's word on a call: paths are made canonical first, then the policy decides."""
    call, spec = command.call, world.tools[command.call.tool].spec
    policy_digest = world.policy.digest
    paths = _canonical_paths(call, spec, world)
    if isinstance(paths, Failure):
        return CallRefused(
            call_id=call.call_id, rule="workspace", reason=paths.what, policy_digest=policy_digest
        )
    if _STRENGTH[world.sandbox_level] < _STRENGTH[spec.least_sandbox]:
        reason = f"{spec.name} needs the sandbox level {spec.least_sandbox.value}; here it is {world.sandbox_level.value}"
        return CallRefused(call_id=call.call_id, rule="sandbox", reason=reason, policy_digest=policy_digest)
    judged = Call(call.tool, {**call.arguments, **paths}, call.call_id)
    changed = {name: path for name, path in paths.items() if call.arguments[name] != path}
    match world.policy.judge(judged, spec):
        case Allow(rule):
            return CallAllowed(
                call_id=call.call_id,
                rule=rule,
                canonical=changed,
                policy_digest=policy_digest,
                sandbox=world.sandbox_level,
            )
        case Refuse(rule, reason):
            return CallRefused(call_id=call.call_id, rule=rule, reason=reason, policy_digest=policy_digest)
        case Ask(rule, reason):
            return ApprovalAsked(
                call_id=call.call_id, rule=rule, reason=reason, canonical=changed, policy_digest=policy_digest
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


async def _ask_model(tier: str, request: ModelRequest, world: World) -> ModelAnswered | ModelFailed:
    began = world.clock.now_s()
    on_text = world.observers.on_text if world.observers.is_watching else None
    try:
        answer = await world.backends[tier].answer(request, on_text)
    except BackendError as error:
        return ModelFailed(tier=tier, failure=error.failure, took_s=_since(began, world))
    return ModelAnswered(tier=tier, answer=answer, took_s=_since(began, world))


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
