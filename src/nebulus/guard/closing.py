"""Which paths a policy closes to commands, whose paths no rule can see.

Law: what is closed is never less than what a rule denies for certain, and is found without a call: by rules
that deny paths whatever else is true. A rule that asks, that looks at more than the path, or that names tools,
is not carried over.
"""

from collections.abc import Iterable

from msgspec import Struct

from nebulus.core.tools import Effect
from nebulus.guard.rules import Rule

_BENEATH = "/**"


class Closed(Struct, frozen=True, kw_only=True):
    """Paths beneath a workspace: `hidden` from commands, or `fixed`, which they may read.

    `uncarried` are patterns that are denied and that no sandbox can hold, for they are no file and no folder.
    """

    hidden: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    uncarried: tuple[str, ...] = ()


def closed_to_commands(rules: Iterable[Rule]) -> Closed:
    """Return the paths that `rules` deny to whoever reads, or changes, them."""
    hidden: list[str] = []
    fixed: list[str] = []
    uncarried: list[str] = []
    for rule in rules:
        if not _denies_by_path_alone(rule):
            continue
        is_read = not rule.effects or Effect.READ in rule.effects
        for pattern in rule.paths:
            path = pattern.removesuffix(_BENEATH)
            if "*" in path or "?" in path:
                uncarried.append(pattern)
            else:
                (hidden if is_read else fixed).append(path)
    kept = tuple(path for path in dict.fromkeys(fixed) if path not in hidden)
    return Closed(hidden=tuple(dict.fromkeys(hidden)), fixed=kept, uncarried=tuple(uncarried))


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
