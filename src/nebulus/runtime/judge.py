"""The guard's verdict on a call: paths are made canonical first, then the policy decides.

Invariants: what is judged are the real values of a call, whether it gives them or refers to them; an error while
deciding is a refusal.
"""

from typing import Any

from msgspec.structs import replace

from nebulus.core.commands import JudgeCall
from nebulus.core.context import Context, JudgedCall
from nebulus.core.digest import canonical
from nebulus.core.events import CallDropped, CallJudged
from nebulus.core.failure import Failure
from nebulus.core.findings import Call, Finding
from nebulus.core.references import shown_arguments
from nebulus.core.text import bounded
from nebulus.core.tools import SandboxLevel, ToolSpec
from nebulus.core.verdict import Refuse, Verdict
from nebulus.loop.given import Results, real_arguments, real_values, results_of
from nebulus.loop.machine import Machine
from nebulus.ports.guard import Workspace
from nebulus.recovery.stagnation import blocked
from nebulus.runtime.world import World

JUDGED_CHARS = 2000
"""The longest JSON of a call's arguments that is recorded with a verdict; the model's answer contains all of it."""

_STRENGTH = {SandboxLevel.NONE: 0, SandboxLevel.LANDLOCK: 1, SandboxLevel.NAMESPACES: 2}


def judge(machine: Machine, command: JudgeCall, world: World) -> CallJudged | CallDropped:
    """Return the verdict on a call, or that the call is dropped since it would give nothing new."""
    call, spec = command.call, world.tools[command.call.tool].spec
    task, _ = machine.find_flight(call.call_id)
    why = blocked(task.attempts.history, call.tool, call.arguments)
    if why:
        return CallDropped(call_id=call.call_id, reason=why)
    real, results = _real(machine, task.step, call, world=world)
    if isinstance(real, Finding):
        return CallJudged(call_id=call.call_id, verdict=Refuse("reference", real.sentence()))
    verdict, paths = _decide(command, real, spec, world=world)
    values = real_values(_with(call, paths), _with(real, paths), results)
    changed = {name: path for name, path in paths.items() if call.arguments[name] != path}
    return CallJudged(
        call_id=call.call_id,
        verdict=verdict,
        paths={} if isinstance(verdict, Refuse) else changed,
        policy_digest=world.policy.digest,
        sandbox=world.sandbox_level,
        judged=_recorded(_with(call, {**shown_arguments(call.arguments, values), **paths}), command.context),
        real=values,
    )


def _real(machine: Machine, step: int, call: Call, *, world: World) -> tuple[Call | Finding, Results]:
    """Return the call with what its references stand for, and these results; or why one refers to nothing."""
    results = results_of(machine, step, call)
    if isinstance(results, Finding):
        return results, {}
    if not results:
        return call, results
    real = real_arguments(machine.config.tool(call.tool), call.arguments, results, stored=world.artifacts.get)
    return (real if isinstance(real, Finding) else replace(call, arguments=real)), results


def _decide(
    command: JudgeCall, call: Call, spec: ToolSpec, *, world: World
) -> tuple[Verdict, dict[str, str]]:
    """Return the verdict on the call with its real values, and the canonical paths that it applies to."""
    paths = canonical_paths(call, spec, world.workspace)
    if isinstance(paths, Failure):
        return Refuse("workspace", paths.what), {}
    if _STRENGTH[world.sandbox_level] < _STRENGTH[spec.least_sandbox]:
        return Refuse("sandbox", _too_weak(spec, world.sandbox_level)), paths
    try:
        return world.policy.judge(_with(call, paths), spec, command.context), paths
    except Exception as error:  # noqa: BLE001 - whatever failed, the call is refused, and the record says why
        why = f"the policy could not decide: {type(error).__name__}: {error}"
        return Refuse("guard.error", bounded(why, 400)), paths


def _with(call: Call, arguments: dict[str, Any]) -> Call:
    return replace(call, arguments={**call.arguments, **arguments})


def _too_weak(spec: ToolSpec, level: SandboxLevel) -> str:
    return (
        f"{spec.name} needs the sandbox level {spec.least_sandbox.value}, and this machine gives {level.value}; "
        "run `nebulus doctor` to see what is missing"
    )


def _recorded(call: Call, context: Context) -> JudgedCall:
    return JudgedCall(
        tool=call.tool,
        arguments=bounded(canonical(call.arguments).decode(), JUDGED_CHARS),
        labels=context.labels,
        is_tainted=context.is_tainted,
        is_planned=context.is_planned,
    )


def canonical_paths(call: Call, spec: ToolSpec, workspace: Workspace | None) -> dict[str, str] | Failure:
    """Return the paths among the arguments of `call` in canonical form; the failure if one leads out."""
    paths: dict[str, str] = {}
    for name in spec.paths:
        given = call.arguments.get(name)
        if given is None or workspace is None:
            continue
        path = workspace.canonical(str(given))
        if isinstance(path, Failure):
            return path
        paths[name] = path
    return paths
