"""What the policy says of a call, without running anything."""

import tomllib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from nebulus.app import bootstrap
from nebulus.app.settings import Settings
from nebulus.core.context import Context, Label, RunUsage
from nebulus.core.errors import ConfigError
from nebulus.core.failure import Failure
from nebulus.core.findings import Call
from nebulus.core.provenance import USER, Origin, Provenance
from nebulus.core.text import nearest
from nebulus.core.tools import Effect, ToolSpec
from nebulus.core.unreadable import UNREADABLE
from nebulus.core.verdict import Allow, Ask, Refuse, Verdict
from nebulus.guard.check import Scene
from nebulus.guard.command_paths import ClosedPaths
from nebulus.guard.schema import cedar_schema
from nebulus.ports.guard import Policy, Workspace
from nebulus.report.text import Line, one_line, safe

Word = Literal["allow", "ask", "deny"]
_OUTSIDE = Provenance((Origin("document", "outside"),))


class Case(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One call and what it is like; `expect` and `rule` are what a test wants ("" for anything)."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    expect: Word | Literal[""] = ""
    rule: str = ""
    name: str = ""
    tainted: bool = False
    planned: bool = True
    endorsed: tuple[str, ...] = ()
    who: str = ""
    done: dict[str, int] = field(default_factory=dict)


class Checked(Struct, frozen=True, kw_only=True):
    """A policy that fits: its digest, its rules with their places, and how many tools it was checked against.

    `unseen` are the tools that change things and name no path: rules about paths do not see what they touch.
    What `closed` names is closed to commands by their sandbox.
    """

    digest: str
    rules: tuple[tuple[str, str], ...]
    tools: int
    unseen: tuple[str, ...] = ()
    closed: ClosedPaths = ClosedPaths()


class Explained(Struct, frozen=True, kw_only=True):
    """A verdict with the rule's own text and place; `request` is what the rules saw."""

    verdict: Word
    rule: str
    reason: str
    place: str = ""
    text: str = ""
    request: dict[str, Any] = field(default_factory=dict)


class Tested(Struct, frozen=True, kw_only=True):
    """One case of a file, and what came of it."""

    name: str
    expected: str
    verdict: Word
    rule: str
    is_right: bool


class _Bench(Struct, frozen=True):
    policy: Policy
    specs: dict[str, ToolSpec]
    workspace: Workspace | None


async def checked(settings: Settings, folder: Path) -> Checked:
    """Return the policy of `folder`, checked against its tools.

    Raises:
        ConfigError: the policy doesn't fit the tools.
    """
    async with _opened(settings, folder) as bench:
        policies = getattr(bench.policy, "policies", ())
        rules = dict.fromkeys((policy.rule, policy.place) for policy in policies)
        has_paths = any("path in" in policy.text for policy in policies if policy.place != "built in")
        unseen = [
            spec.name for spec in bench.specs.values() if spec.effect is not Effect.READ and not spec.paths
        ]
        return Checked(
            digest=bench.policy.digest,
            rules=tuple(rules),
            tools=len(bench.specs),
            unseen=tuple(unseen) if has_paths else (),
            closed=bootstrap.closed_by_rules(settings, folder, workspace=folder)[0],
        )


async def explained(case: Case, settings: Settings, folder: Path) -> Explained:
    """Return what the policy says of a call, and by which rule.

    Raises:
        ConfigError: the policy doesn't fit the tools, or there is no such tool.
    """
    async with _opened(settings, folder) as bench:
        verdict = _verdict(case, bench)
        decided = next(
            (policy for policy in getattr(bench.policy, "policies", ()) if policy.rule == verdict.rule), None
        )
        return Explained(
            verdict=_word(verdict),
            rule=verdict.rule,
            reason=getattr(verdict, "reason", ""),
            place=decided.place if decided else "",
            text=decided.text if decided else "",
            request=_request(case, bench),
        )


async def tested(file: Path, settings: Settings, folder: Path) -> list[Tested]:
    """Decide every case in `file`.

    Raises:
        ConfigError: the file or the policy can't be read, or a case names what is not there.
    """
    cases = _cases(file)
    async with _opened(settings, folder) as bench:
        return [_compared(case, number, bench) for number, case in enumerate(cases, start=1)]


async def schema(settings: Settings, folder: Path) -> dict[str, Any]:
    """Return the Cedar schema of the tools that a run in `folder` would have.

    Raises:
        ConfigError: the workspace can't be used.
    """
    async with bootstrap.tools({"workspace": str(folder)}, (), settings) as kit:
        return cedar_schema([tool.spec for tool in kit.tools])


def case_of(tool: str, arguments: str, *, tainted: bool, planned: bool, endorsed: tuple[str, ...]) -> Case:
    """Return the case that the command line describes.

    Raises:
        ConfigError: `arguments` is not a JSON object.
    """
    try:
        given = msgspec.json.decode(arguments, type=dict[str, Any])
    except UNREADABLE as error:
        raise ConfigError(
            f"{arguments!r} is not a JSON object: {error}", fix='write \'{"path": "a.txt"}\''
        ) from error
    return Case(tool=tool, arguments=given, tainted=tainted, planned=planned, endorsed=endorsed)


def check_lines(found: Checked) -> list[Line]:
    """Return a policy that fits, for a person."""
    lines = [Line(f"  {safe(rule):<28} {safe(place)}") for rule, place in found.rules]
    said = f"{len(lines)} rules fit {found.tools} tools" if lines else "the small default policy decides"
    notes = [
        Line(
            f"note: {safe(name)} names no path, so that rules about paths do not see what it touches",
            "yellow",
        )
        for name in found.unseen
    ]
    notes += _closed_lines(found.closed)
    return [Line(said, "green"), *lines, *notes, Line(f"digest {found.digest}", "dim")]


def _closed_lines(closed: ClosedPaths) -> list[Line]:
    """Return what the sandbox keeps from commands, and which patterns no sandbox can enforce."""
    kept = (("hidden from commands", closed.hidden), ("only read by commands", closed.read_only))
    lines = [Line(f"{what}: {', '.join(map(safe, paths))}") for what, paths in kept if paths]
    if closed.unenforceable:
        patterns = ", ".join(map(safe, closed.unenforceable))
        lines.append(
            Line(f"note: open to commands, since it is neither a file nor a folder: {patterns}", "yellow")
        )
    return lines


def explain_lines(found: Explained) -> list[Line]:
    """Return a verdict with its reasons, for a person."""
    place = f" ({found.place})" if found.place and found.place != found.rule else ""
    lines = [Line(f"{found.verdict}: rule {safe(found.rule)}{safe(place)}", _STYLES[found.verdict])]
    if found.reason:
        lines.append(Line(f"  because: {one_line(found.reason, 600)}"))
    lines += [Line(f"  {safe(line)}", "dim") for line in found.text.splitlines()]
    if found.request.get("matched"):
        lines.append(Line(f"  matched: {', '.join(map(safe, found.request['matched']))}", "dim"))
    return lines


def test_lines(found: Iterable[Tested]) -> list[Line]:
    """Return the cases and what came of them, for a person."""
    lines = []
    for result in found:
        mark, style = ("✓", "green") if result.is_right else ("✗", "red")
        wanted = "" if result.is_right else f"; expected {result.expected}"
        lines.append(
            Line(f"{mark} {safe(result.name)}: {result.verdict} by {safe(result.rule)}{wanted}", style)
        )
    return lines


_STYLES = {"allow": "green", "ask": "yellow", "deny": "red"}


@asynccontextmanager
async def _opened(settings: Settings, folder: Path) -> AsyncIterator[_Bench]:
    async with bootstrap.tools({"workspace": str(folder)}, (), settings) as kit:
        specs = tuple(tool.spec for tool in kit.tools)
        root = kit.workspace.root if kit.workspace else None
        scene = Scene(specs=specs, agents=("agent", *settings.tiers))
        policy = bootstrap.policy(settings, folder, scene, workspace=root)
        yield _Bench(policy, {spec.name: spec for spec in specs}, kit.workspace)


def _cases(file: Path) -> list[Case]:
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        cases = msgspec.convert(data, dict[Literal["case"], list[Case]]).get("case", [])
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(
            f"{file} contains no cases: {error}", fix="write [[case]] with tool, arguments, expect"
        ) from error
    if not cases or any(not case.expect for case in cases):
        raise ConfigError(f"{file}: each [[case]] says what to expect: allow, ask or deny")
    return cases


def _compared(case: Case, number: int, bench: _Bench) -> Tested:
    verdict = _verdict(case, bench)
    is_right = _word(verdict) == case.expect and case.rule in ("", verdict.rule)
    return Tested(
        name=case.name or f"{number}. {case.tool}",
        expected=f"{case.expect} by {case.rule}" if case.rule else case.expect,
        verdict=_word(verdict),
        rule=verdict.rule,
        is_right=is_right,
    )


def _verdict(case: Case, bench: _Bench) -> Verdict:
    call = _call(case, bench)
    if isinstance(call, Refuse):
        return call
    return bench.policy.judge(call, bench.specs[case.tool], _context(case))


def _call(case: Case, bench: _Bench) -> Call | Refuse:
    """Return the call with canonical paths, or the refusal of one that leads outside."""
    if case.tool not in bench.specs:
        raise ConfigError(f"there is no tool {case.tool!r}", fix=f"{nearest(case.tool, bench.specs)}")
    paths = {}
    for name in bench.specs[case.tool].paths:
        if bench.workspace is not None and case.arguments.get(name) is not None:
            path = bench.workspace.canonical(str(case.arguments[name]))
            if isinstance(path, Failure):
                return Refuse("workspace", path.what)
            paths[name] = path
    return Call(case.tool, {**case.arguments, **paths})


def _context(case: Case) -> Context:
    def label(name: str) -> Label:
        if not case.tainted or name in case.endorsed:
            return Label(name, USER, is_endorsed=True)
        return Label(name, _OUTSIDE, value=one_line(str(case.arguments[name]), 200))

    return Context(
        tier=case.who,
        agent=case.who or "agent",
        is_tainted=case.tainted,
        is_planned=case.planned,
        labels=tuple(label(name) for name in case.arguments),
        usage=RunUsage(calls=sum(case.done.values()), by_tool=case.done, by_effect=case.done),
    )


def _request(case: Case, bench: _Bench) -> dict[str, Any]:
    """Return what the rules saw; empty where the default policy decided, or nothing could be asked."""
    explain = getattr(bench.policy, "explain", None)
    call = _call(case, bench)
    if explain is None or isinstance(call, Refuse):
        return {}
    try:
        request: dict[str, Any] = explain(call, bench.specs[case.tool], _context(case)).request
    except (ValueError, TypeError):  # The verdict says why the call can't be put to the policy.
        return {}
    return request


def _word(verdict: Verdict) -> Word:
    match verdict:
        case Allow():
            return "allow"
        case Ask():
            return "ask"
        case Refuse():
            return "deny"
