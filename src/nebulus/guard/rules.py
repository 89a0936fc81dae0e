"""The rules that a person writes in TOML, as values.

Invariant: a rule that is malformed, names something unknown, or can never match is an error with its line and its
fix; no rule is ever skipped.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Struct, field

from nebulus.core.errors import ConfigError
from nebulus.core.text import nearest
from nebulus.core.tools import Effect
from nebulus.guard.flow import Narrow

Then: TypeAlias = Literal["allow", "ask", "deny"]
Names: TypeAlias = str | tuple[str, ...]
_Table = TypeVar("_Table", bound=Struct)


class Rule(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One `[[policy]]`: which calls it applies to, what then happens, and why.

    The conditions: `tool` or `effect` (a name or several; neither means all), `who` (an agent or a tier), `path`,
    `host`, `argument` with `above`, `at_most` or `equals`, its sum over the run with `total_above`,
    `after` a tool or effect was called at least `times` (on `after_path`, or `within` a number of calls),
    `bytes_out_above`, and `tainted` for calls after text from outside. All given conditions must be true.
    """

    then: Then
    reason: str = ""
    name: str = ""
    tool: Names = ()
    effect: Effect | tuple[Effect, ...] = ()
    who: Names = ()
    path: Names = ()
    host: Names = ()
    argument: str = ""
    above: float | None = None
    at_most: float | None = None
    total_above: float | None = None
    equals: str | bool | tuple[str, ...] | None = None
    after: str = ""
    after_path: Names = ()
    times: int = 1
    within: int = 0
    bytes_out_above: int | None = None
    tainted: bool | None = None
    line: int = 0

    @property
    def tools(self) -> tuple[str, ...]:
        """The tools that are named."""
        return _tuple(self.tool)

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The effects that are named."""
        return (self.effect,) if isinstance(self.effect, Effect) else self.effect

    @property
    def paths(self) -> tuple[str, ...]:
        """The path patterns."""
        return _tuple(self.path)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host patterns."""
        return _tuple(self.host)

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents and tiers that are named."""
        return _tuple(self.who)

    @property
    def counts_paths(self) -> tuple[str, ...]:
        """The path patterns that `after` counts."""
        return _tuple(self.after_path)

    @property
    def is_counting(self) -> bool:
        """Whether it depends on what was done before."""
        return bool(self.after or self.after_path)

    @property
    def is_unconditional(self) -> bool:
        """Whether it applies to every call of its tools and effects."""
        given = (self.who, self.path, self.host, self.argument, self.after, self.after_path)
        optional = (self.bytes_out_above, self.tainted)
        return not any(given) and all(value is None for value in optional)


class Extraction(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[accept]]`: a narrow value from outside that is accepted without a question."""

    tool: str
    argument: str
    source: str = field(name="from")
    kind: Narrow = field(name="as")
    least: float | None = None
    most: float | None = None
    line: int = 0


class FlowRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[flow]`: what happens to a consequential call after text from outside was read.

    `unplanned`: neither the plan nor the user's words ask for it. `unendorsed`: one of the two does not.
    """

    unplanned: Literal["ask", "deny"] = "deny"
    unendorsed: Literal["ask", "deny"] = "ask"


class RuleFile(Struct, frozen=True, kw_only=True):
    """A policy file: rules, accepted extractions, flow, and further files in Cedar's own language."""

    source: str
    rules: tuple[Rule, ...] = ()
    accepts: tuple[Extraction, ...] = ()
    flow: FlowRules = FlowRules()
    cedar: tuple[str, ...] = ()


def read_rules(data: Mapping[str, Any], *, text: str, source: str) -> RuleFile:
    """Return the policy file in `data`, which was parsed from `text`; `source` names it in messages.

    Raises:
        ConfigError: it contains something that is not a rule; the message gives the line.
    """
    known = ("policy", "accept", "flow", "cedar")
    for key in data:
        if key not in known:
            raise ConfigError(f"{source}: {key!r} is not part of a policy", fix=f"{nearest(key, known)}")
    rules = _tables(data.get("policy", []), Rule, _Place(source, "policy", text))
    accepts = _tables(data.get("accept", []), Extraction, _Place(source, "accept", text))
    flow = _table(data.get("flow", {}), FlowRules, f"{source}: flow")
    return RuleFile(
        source=source, rules=_named(rules, source), accepts=accepts, flow=flow, cedar=_files(data, source)
    )


class _Place(Struct, frozen=True):
    source: str
    kind: str
    text: str

    def lines(self) -> list[int]:
        """Return the lines on which the tables of this kind begin."""
        header = re.compile(rf"\s*\[\[\s*[\"']?{self.kind}[\"']?\s*\]\]")
        return [number for number, line in enumerate(self.text.splitlines(), start=1) if header.match(line)]


def _tables(tables: Any, kind: type[_Table], place: _Place) -> tuple[_Table, ...]:
    if not isinstance(tables, list):
        raise ConfigError(f"{place.source}: {place.kind} is a single table", fix=f"write [[{place.kind}]]")
    lines = place.lines()
    is_sure = len(lines) == len(tables)
    found = []
    for index, table in enumerate(tables):
        line = lines[index] if is_sure else 0
        where = f"{place.source}:{line}" if line else f"{place.source}: {place.kind} number {index + 1}"
        found.append(msgspec.structs.replace(_table(table, kind, where), line=line))
    return tuple(found)


def _table(table: Any, kind: type[_Table], where: str) -> _Table:
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where}={table!r} is not a table")
    names = [item.encode_name for item in msgspec.structs.fields(kind) if item.name != "line"]
    for key in table:
        if key not in names:
            raise ConfigError(f"{where}: {key!r} is not a condition of a rule", fix=f"{nearest(key, names)}")
    try:
        return msgspec.convert(dict(table), kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}") from error


def _named(rules: Sequence[Rule], source: str) -> tuple[Rule, ...]:
    """Return `rules` with a name for each: its own, or its place in the file."""
    named: dict[str, Rule] = {}
    for index, rule in enumerate(rules, start=1):
        name = rule.name or (f"{source}:{rule.line}" if rule.line else f"{source}#{index}")
        if name in named:
            raise ConfigError(
                f"{source}:{rule.line}: the name {name!r} is already used in line {named[name].line}"
            )
        named[name] = msgspec.structs.replace(rule, name=name)
    return tuple(named.values())


def _files(data: Mapping[str, Any], source: str) -> tuple[str, ...]:
    files = data.get("cedar", [])
    names = [files] if isinstance(files, str) else files
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{source}: cedar={files!r} is not a list of files")
    return tuple(names)


def _tuple(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names
