"""Checks rules against the tools that they apply to, before anything starts.

Invariant: every problem is an error with its line and its fix, never a warning.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from nebulus.core.errors import ConfigError
from nebulus.core.text import nearest
from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.compile import selected
from nebulus.guard.patterns import host_arguments, wrong_host_pattern, wrong_path_pattern
from nebulus.guard.rules import Extraction, Rule, RuleFile
from nebulus.guard.schema import kind_of, numbers_of, properties_of
from nebulus.guard.usage import RECENT_CALLS


class Scene(Struct, frozen=True, kw_only=True):
    """The names that rules may use: the tools, and the agents and tiers that propose calls."""

    specs: tuple[ToolSpec, ...]
    agents: tuple[str, ...]

    def spec(self, name: str) -> ToolSpec | None:
        """Return the tool called `name`, or None."""
        return next((spec for spec in self.specs if spec.name == name), None)


def require_sound(file: RuleFile, scene: Scene) -> None:
    """Reject rules that name something unknown or can never match.

    Raises:
        ConfigError: names the first such rule, with its line and the fix.
    """
    for rule in file.rules:
        for complaint in _complaints(rule, scene):
            raise ConfigError(f"{_where(file, rule.line, rule.name)}: {complaint}")
    for earlier, later in _shadowed(file.rules, scene.specs):
        raise ConfigError(
            f"{_where(file, later.line, later.name)}: this can never decide a call, since {earlier.name} denies "
            "every such call",
            fix="remove one of the two, or narrow the one that denies",
        )
    for extraction in file.accepts:
        for complaint in _extraction_complaints(extraction, scene):
            raise ConfigError(f"{_where(file, extraction.line, 'accept')}: {complaint}")


def _where(file: RuleFile, line: int, name: str) -> str:
    place = f"{file.source}:{line}" if line else file.source
    return place if name.startswith(file.source) else f"{place} ({name})"


def _complaints(rule: Rule, scene: Scene) -> Iterator[str]:
    yield from _names(rule, scene)
    yield from _places(rule, scene.specs)
    yield from _arguments(rule, scene.specs)
    yield from _counts(rule, scene)
    if rule.then != "allow" and not rule.reason:
        yield f'a rule with then = {rule.then!r} needs a reason to show; add reason = "..."'


def _names(rule: Rule, scene: Scene) -> Iterator[str]:
    names = [spec.name for spec in scene.specs]
    for tool in rule.tools:
        if tool not in names:
            yield f"no tool is called {tool!r}; {nearest(tool, names)}"
    for agent in rule.agents:
        if agent not in scene.agents:
            yield f"no agent or tier is called {agent!r}; {nearest(agent, scene.agents)}"


def _places(rule: Rule, specs: Sequence[ToolSpec]) -> Iterator[str]:
    chosen = selected(rule, specs)
    if rule.paths and not any(spec.paths for spec in chosen):
        yield "this can never match: none of its tools takes a path; drop path, or name a tool that does"
    if rule.hosts and not any(host_arguments(spec) for spec in chosen):
        yield (
            "this can never match: none of its tools says which argument is a host; "
            "declare it as hosts of the tool, or drop host"
        )
    for pattern in (*rule.paths, *rule.counts_paths):
        why = wrong_path_pattern(pattern)
        if why:
            yield f"no path can match {pattern!r}: {why}"
    for pattern in rule.hosts:
        why = wrong_host_pattern(pattern)
        if why:
            yield f"no host can match {pattern!r}: {why}"


def _arguments(rule: Rule, specs: Sequence[ToolSpec]) -> Iterator[str]:
    limits = (rule.above, rule.at_most, rule.total_above)
    is_compared = any(limit is not None for limit in limits) or rule.equals is not None
    if not rule.argument:
        if is_compared:
            yield 'above, at_most, total_above and equals need an argument to compare; add argument = "..."'
        return
    chosen = selected(rule, specs)
    having = [spec for spec in chosen if rule.argument in properties_of(spec)]
    lacking = [spec for spec in chosen if spec not in having and spec.name in rule.tools]
    if lacking or not having:
        known = {name for spec in (lacking or chosen) for name in properties_of(spec)}
        whose = lacking[0].name if lacking else "none of its tools"
        yield f"{whose} has no argument {rule.argument!r}; {nearest(rule.argument, known)}"
        return
    for spec in having:
        yield from _values(rule, spec)


def _values(rule: Rule, spec: ToolSpec) -> Iterator[str]:
    schema, place = properties_of(spec)[rule.argument], f"{spec.name}.{rule.argument}"
    limits = {"above": rule.above, "at_most": rule.at_most, "total_above": rule.total_above}
    if any(limit is not None for limit in limits.values()) and rule.argument not in numbers_of(spec):
        yield f"{place} is not a number ({kind_of(schema)}), so it can't be compared; use equals"
        return
    most, least = schema.get("maximum"), schema.get("minimum")
    if rule.above is not None and isinstance(most, int | float) and rule.above >= most:
        yield f"this can never match: {place} is at most {most}"
    if rule.at_most is not None and isinstance(least, int | float) and rule.at_most < least:
        yield f"this can never match: {place} is at least {least}"
    if rule.equals is not None:
        yield from _equal(rule, schema, place)


def _equal(rule: Rule, schema: dict[str, object], place: str) -> Iterator[str]:
    is_truth = isinstance(rule.equals, bool)
    wanted = "truth" if is_truth else "text"
    if kind_of(schema) != wanted:
        yield f"this can never match: {place} is not of type {wanted} but {kind_of(schema)}"
        return
    allowed = schema.get("enum")
    values = rule.equals if isinstance(rule.equals, tuple) else (rule.equals,)
    if isinstance(allowed, list):
        for value in values:
            if value not in allowed:
                yield f"this can never match: {place} is never {value!r}; it is one of {allowed}"


def _counts(rule: Rule, scene: Scene) -> Iterator[str]:
    known = [*(spec.name for spec in scene.specs), *(effect.value for effect in Effect)]
    if rule.after and rule.after not in known:
        yield f"after = {rule.after!r} is neither a tool nor an effect; {nearest(rule.after, known)}"
    if not rule.is_counting and (rule.times != 1 or rule.within):
        yield 'times and within count the calls of a tool; name it with after = "..."'
    if rule.times < 1 or rule.within < 0:
        yield "times must be 1 or more, and within a number of calls"
    if rule.within and rule.times > rule.within:
        yield f"this can never match: {rule.times} calls can't happen within {rule.within}"
    if rule.within > RECENT_CALLS:
        yield f"within covers at most {RECENT_CALLS} calls; remove it to count over the whole run"
    if rule.within and rule.counts_paths:
        yield "after_path counts over the whole run; remove within"
    if rule.counts_paths and rule.after:
        counted = [spec for spec in scene.specs if rule.after in (spec.name, spec.effect.value)]
        if not any(spec.paths for spec in counted):
            yield f"this can never match: {rule.after} takes no path"


def _shadowed(rules: Sequence[Rule], specs: Sequence[ToolSpec]) -> Iterator[tuple[Rule, Rule]]:
    """Return each rule that allows or asks together with the rule that denies all its calls."""
    absolute = [rule for rule in rules if rule.then == "deny" and rule.is_unconditional]
    for later in rules:
        about = {spec.name for spec in selected(later, specs)}
        if later.then == "deny" or not about:
            continue
        for deny in absolute:
            if about <= {spec.name for spec in selected(deny, specs)}:
                yield deny, later


def _extraction_complaints(extraction: Extraction, scene: Scene) -> Iterator[str]:
    names = [spec.name for spec in scene.specs]
    for name in (extraction.tool, extraction.source):
        if name not in names:
            yield f"no tool is called {name!r}; {nearest(name, names)}"
            return
    spec = scene.spec(extraction.tool)
    if spec is not None and extraction.argument not in properties_of(spec):
        yield f"{spec.name} has no argument {extraction.argument!r}; {nearest(extraction.argument, properties_of(spec))}"
    if extraction.kind not in {"integer", "number"} and (extraction.least, extraction.most) != (None, None):
        yield "least and most are for numbers"
    if None not in (extraction.least, extraction.most) and float(extraction.least or 0) > float(
        extraction.most or 0
    ):
        yield "this can never match: least is above most"
