"""Counting what a run does, so that rules see the session and not only the call.

Law: `Conduct + call → Conduct`; a call is counted when it is about to run, whatever becomes of it.
"""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from nebulus.core.budget import Budget
from nebulus.core.context import Conduct, Label
from nebulus.core.digest import canonical, short_digest
from nebulus.core.findings import Call
from nebulus.core.tools import Effect, ToolSpec

RECENT_CALLS = 256
"""How many calls back a rate can look."""


def counted(conduct: Conduct, call: Call, spec: ToolSpec, *, labels: tuple[Label, ...]) -> Conduct:
    """Return `conduct` with `call`, whose paths are canonical, counted."""
    paths = paths_of(call, spec)
    known = dict.fromkeys(conduct.touched)
    known.update(dict.fromkeys((call.tool, path) for path in paths))
    is_change = spec.effect is not Effect.READ
    after = replace(
        conduct,
        calls=conduct.calls + 1,
        by_tool=_more(conduct.by_tool, call.tool),
        by_effect=_more(conduct.by_effect, spec.effect.value),
        totals=conduct.totals | totals_with(conduct, call),
        bytes_out=bytes_out_with(conduct, call, spec),
        recent=(*conduct.recent, call.tool)[-RECENT_CALLS:],
        touched=tuple(known),
        done=conduct.done | {digest_of(call)} if is_change else conduct.done,
    )
    return _tainted(after, paths, labels) if is_change else after


def kept_on(happened: Conduct, standing: Conduct) -> Conduct:
    """Return what counts of a run that `happened` and is taken up from where only `standing` is recorded.

    Everything but `done`: who takes a run up wants its steps done again.
    """
    return replace(happened, done=standing.done)


def digest_of(call: Call) -> str:
    """Name a call by what it does, whoever asks for it and when."""
    return short_digest([call.tool, call.arguments])


def paths_of(call: Call, spec: ToolSpec) -> tuple[str, ...]:
    """Return the path arguments that `call` gives."""
    return tuple(str(call.arguments[name]) for name in spec.paths if call.arguments.get(name) is not None)


def totals_with(conduct: Conduct, call: Call) -> dict[str, Decimal]:
    """Return for each number that `call` gives its total over the run, this call included.

    What is below zero takes nothing off: nobody earns room for more by paying back first.
    """
    sums = {}
    for name, value in call.arguments.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            key = f"{call.tool}.{name}"
            sums[key] = conduct.totals.get(key, Decimal(0)) + max(Decimal(0), Decimal(str(value)))
    return sums


def bytes_out_with(conduct: Conduct, call: Call, spec: ToolSpec) -> int:
    """Return the bytes of arguments that have left the workspace, this call included."""
    leaving = len(canonical(call.arguments)) if spec.effect is Effect.EGRESS else 0
    return conduct.bytes_out + leaving


def reads_tainted(conduct: Conduct, call: Call, spec: ToolSpec) -> bool:
    """Whether what `call` brings may hold text from outside that an earlier call of this run put there."""
    if conduct.is_all_tainted:
        return True
    if not conduct.tainted_paths:
        return False
    given = paths_of(call, spec)
    if len(given) < max(1, len(spec.paths)):
        return True
    return any(_is_near(path, tainted) for path in given for tainted in conduct.tainted_paths)


def overdrawn(budget: Budget, conduct: Conduct, tool: str) -> tuple[str, int]:
    """Return the resource, and its limit, that `conduct` goes beyond with a call of `tool`; ("", 0) if none."""
    most = budget.calls.get(tool, 0)
    if most and conduct.by_tool.get(tool, 0) > most:
        return f"calls.{tool}", most
    if budget.bytes_out and conduct.bytes_out > budget.bytes_out:
        return "bytes_out", budget.bytes_out
    return "", 0


def _tainted(conduct: Conduct, paths: tuple[str, ...], labels: tuple[Label, ...]) -> Conduct:
    """Return `conduct` knowing where a change has put text from outside."""
    brings = any(not label.provenance.is_trusted for label in labels)
    carries = any(_is_near(path, tainted) for path in paths for tainted in conduct.tainted_paths)
    if not (brings or carries or (conduct.tainted_paths and not paths)):
        return conduct
    if not paths:
        return replace(conduct, is_all_tainted=True)
    return replace(conduct, tainted_paths=conduct.tainted_paths | set(paths))


def _is_near(path: str, other: str) -> bool:
    """Whether one path is, holds, or lies in the other."""
    return (
        path == other
        or "." in (path, other)
        or f"{other}/".startswith(f"{path}/")
        or f"{path}/".startswith(f"{other}/")
    )


def _more(counts: dict[str, int], key: str) -> dict[str, Any]:
    return {**counts, key: counts.get(key, 0) + 1}
