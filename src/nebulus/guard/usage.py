"""Counts what a run does, so that rules can depend on the whole run and not only on the call.

Invariant: `RunUsage + call → RunUsage`; a call is counted when it is about to run, whatever its result.
"""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from nebulus.core.budget import Budget
from nebulus.core.context import Label, RunUsage
from nebulus.core.digest import canonical, short_digest
from nebulus.core.findings import Call
from nebulus.core.references import NO_VALUES, RealValues
from nebulus.core.tools import Effect, ToolSpec

RECENT_CALLS = 256
"""How many calls back a rule can count."""


def usage_with(
    usage: RunUsage,
    call: Call,
    spec: ToolSpec,
    *,
    labels: tuple[Label, ...],
    real: RealValues = NO_VALUES,
) -> RunUsage:
    """Return `usage` with `call` counted; its paths must be canonical. `real` is what its references stand for."""
    paths = paths_of(call, spec)
    known = dict.fromkeys(usage.touched)
    known.update(dict.fromkeys((call.tool, path) for path in paths))
    is_change = spec.effect is not Effect.READ
    after = replace(
        usage,
        calls=usage.calls + 1,
        by_tool=_more(usage.by_tool, call.tool),
        by_effect=_more(usage.by_effect, spec.effect.value),
        totals=usage.totals | totals_with(usage, call),
        bytes_out=bytes_out_with(usage, call, spec, more=real.size_bytes),
        recent=(*usage.recent, call.tool)[-RECENT_CALLS:],
        touched=tuple(known),
        done=usage.done | {real.call_digest or digest_of(call)} if is_change else usage.done,
    )
    return _tainted(after, paths, labels) if is_change else after


def usage_after_resume(happened: RunUsage, recorded: RunUsage) -> RunUsage:
    """Return the usage of a run that is rewound: all that `happened` counts, though only `recorded` is kept.

    Except for `done`: whoever rewinds a run wants its steps done again.
    """
    return replace(happened, done=recorded.done)


def digest_of(call: Call) -> str:
    """Return a digest of what a call does, whoever proposes it and when."""
    return short_digest([call.tool, call.arguments])


def paths_of(call: Call, spec: ToolSpec) -> tuple[str, ...]:
    """Return the path arguments that `call` gives."""
    return tuple(str(call.arguments[name]) for name in spec.paths if call.arguments.get(name) is not None)


def totals_with(usage: RunUsage, call: Call) -> dict[str, Decimal]:
    """Return the total over the run of each number that `call` gives, this call included.

    Negative numbers subtract nothing, so a refund makes no room for a larger payment.
    """
    sums = {}
    for name, value in call.arguments.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            key = f"{call.tool}.{name}"
            sums[key] = usage.totals.get(key, Decimal(0)) + max(Decimal(0), Decimal(str(value)))
    return sums


def bytes_out_with(usage: RunUsage, call: Call, spec: ToolSpec, *, more: int = 0) -> int:
    """Return the bytes of arguments that have left the workspace, this call included, whose values have `more`."""
    leaving = len(canonical(call.arguments)) + more if spec.effect is Effect.EGRESS else 0
    return usage.bytes_out + leaving


def reads_tainted(usage: RunUsage, call: Call, spec: ToolSpec) -> bool:
    """Whether the result of `call` may contain text from outside that an earlier call of this run put there."""
    if usage.is_all_tainted:
        return True
    if not usage.tainted_paths:
        return False
    given = paths_of(call, spec)
    if len(given) < max(1, len(spec.paths)):
        return True
    return any(_is_near(path, tainted) for path in given for tainted in usage.tainted_paths)


def exceeded_limit(budget: Budget, usage: RunUsage, tool: str) -> tuple[str, int]:
    """Return the resource whose limit `usage` exceeds with a call of `tool`, and the limit; ("", 0) if none."""
    most = budget.calls.get(tool, 0)
    if most and usage.by_tool.get(tool, 0) > most:
        return f"calls.{tool}", most
    if budget.bytes_out and usage.bytes_out > budget.bytes_out:
        return "bytes_out", budget.bytes_out
    return "", 0


def _tainted(usage: RunUsage, paths: tuple[str, ...], labels: tuple[Label, ...]) -> RunUsage:
    """Return `usage` with the paths into which a change may have put text from outside."""
    brings = any(not label.provenance.is_trusted for label in labels)
    carries = any(_is_near(path, tainted) for path in paths for tainted in usage.tainted_paths)
    if not (brings or carries or (usage.tainted_paths and not paths)):
        return usage
    if not paths:
        return replace(usage, is_all_tainted=True)
    return replace(usage, tainted_paths=usage.tainted_paths | set(paths))


def _is_near(path: str, other: str) -> bool:
    """Whether the paths are the same, or one contains the other."""
    return (
        path == other
        or "." in (path, other)
        or f"{other}/".startswith(f"{path}/")
        or f"{path}/".startswith(f"{other}/")
    )


def _more(counts: dict[str, int], key: str) -> dict[str, Any]:
    return {**counts, key: counts.get(key, 0) + 1}
