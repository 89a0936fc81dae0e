"""The rules of a policy that can apply where only some tools are offered.

Invariant: leaving a rule out allows nothing: it is about calls of tools that are not offered, and those are no calls.
"""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.compile import selected
from nebulus.guard.rules import Rule, RuleFile
from nebulus.guard.schema import properties_of

EFFECTS = frozenset(effect.value for effect in Effect)
_TEXT = {"type": "string"}
PLACEHOLDERS = tuple(
    ToolSpec(
        name=f"no_tool_{effect.value}",
        effect=effect,
        parameters={"type": "object", "properties": {"path": _TEXT, "host": _TEXT}},
        paths=("path",),
        hosts=("host",),
    )
    for effect in Effect
)
"""A tool of each effect that nobody offers: rules about an effect are sound even where no other tool has it."""


def rules_for(file: RuleFile, specs: Sequence[ToolSpec]) -> RuleFile:
    """Return `file` without the rules that can't apply to any of `specs`.

    A rule that names one of them stays whole, so that a mistake in it is still found.
    """
    names = {spec.name for spec in specs}
    rules = tuple(kept for rule in file.rules if (kept := _kept(rule, specs, names)) is not None)
    accepts = tuple(each for each in file.accepts if each.tool in names and each.source in names)
    return replace(file, rules=rules, accepts=accepts)


def tools_named(file: RuleFile) -> tuple[str, ...]:
    """Return the tools that the rules name."""
    counted = (rule.after for rule in file.rules if rule.after and rule.after not in EFFECTS)
    named = (tool for rule in file.rules for tool in rule.tools)
    accepted = (tool for each in file.accepts for tool in (each.tool, each.source))
    return tuple(dict.fromkeys((*named, *counted, *accepted)))


def _kept(rule: Rule, specs: Sequence[ToolSpec], names: Collection[str]) -> Rule | None:
    if rule.after and rule.after not in names and rule.after not in EFFECTS:
        return None
    tools = tuple(tool for tool in rule.tools if tool in names)
    if rule.tools and not tools and not rule.effects:
        return None
    kept = replace(rule, tool=tools) if rule.tools else rule
    has_argument = any(rule.argument in properties_of(spec) for spec in selected(kept, specs))
    return kept if tools or not rule.argument or has_argument else None
