"""Which paths a policy closes to commands, since rules can't see the paths that a command uses.

Invariant: every path that a rule denies for certain is closed. Only rules that deny by path alone count: a rule that
asks, that has further conditions, or that names tools, closes nothing.
"""

from collections.abc import Iterable

from msgspec import Struct

from nebulus.core.tools import Effect
from nebulus.guard.rules import Rule

_BENEATH = "/**"


class ClosedPaths(Struct, frozen=True, kw_only=True):
    """Paths in a workspace that are closed to commands."""

    hidden: tuple[str, ...] = ()
    """Commands can neither read nor change them."""
    read_only: tuple[str, ...] = ()
    """Commands can read them, not change them."""
    unenforceable: tuple[str, ...] = ()
    """Denied patterns that no sandbox can enforce, since they name neither a file nor a folder."""


def closed_paths(rules: Iterable[Rule]) -> ClosedPaths:
    """Return the paths that `rules` deny reading or changing for every call."""
    hidden: list[str] = []
    read_only: list[str] = []
    unenforceable: list[str] = []
    for rule in rules:
        if not _denies_by_path_alone(rule):
            continue
        is_read = not rule.effects or Effect.READ in rule.effects
        for pattern in rule.paths:
            path = pattern.removesuffix(_BENEATH)
            if "*" in path or "?" in path:
                unenforceable.append(pattern)
            else:
                (hidden if is_read else read_only).append(path)
    only_read = tuple(path for path in dict.fromkeys(read_only) if path not in hidden)
    return ClosedPaths(
        hidden=tuple(dict.fromkeys(hidden)), read_only=only_read, unenforceable=tuple(unenforceable)
    )


def _denies_by_path_alone(rule: Rule) -> bool:
    others = (rule.tools, rule.agents, rule.hosts, rule.argument, rule.is_counting)
    optional = (rule.bytes_out_above, rule.tainted)
    is_about_files = not rule.effects or bool({Effect.READ, Effect.WRITE} & set(rule.effects))
    return (
        rule.then == "deny"
        and bool(rule.paths)
        and is_about_files
        and not any(others)
        and all(value is None for value in optional)
    )
