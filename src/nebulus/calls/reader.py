"""One reader for every answer: what came back becomes valid calls, words, or one finding.

Laws: calls or a finding, never both; an answer that hit its cap is never executed; only tools on offer
exist; two readings that differ are a finding; every change is recorded.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from nebulus.calls.candidate import Candidate, arguments_of, candidates, is_call_shaped
from nebulus.calls.grounding import ungrounded
from nebulus.calls.literal import Unreadable
from nebulus.calls.scanner import read_value
from nebulus.calls.names import nearest, resolve
from nebulus.calls.validate import check
from nebulus.core.answers import FinishReason, ModelAnswer, RawCall
from nebulus.core.findings import Call, Edit, Finding, FindingKind, Reading
from nebulus.core.tools import ToolSpec


class ReaderProfile(Struct, frozen=True, kw_only=True):
    """What is known of the model that wrote an answer.

    `calls_in_reasoning`: its template puts calls inside its reasoning. `max_calls`: more calls than
    this in one answer are a finding (0 for no limit).
    """

    calls_in_reasoning: bool = False
    max_calls: int = 0


DEFAULT = ReaderProfile()


class Found(Struct, frozen=True):
    """What stands in a text: calls as spelled, the words around them, or what made it unreadable."""

    candidates: tuple[Candidate, ...] = ()
    words: str = ""
    dialect: str = ""
    problem: Unreadable | None = None


def read(
    answer: ModelAnswer, tools: Sequence[ToolSpec], *, shown: str = "", profile: ReaderProfile = DEFAULT
) -> Reading:
    """Return what `answer` says: calls of `tools` that are certainly meant and valid, words, or a finding.

    `shown` is the prompt that the model saw: arguments that a tool declares as grounded must stand in
    it ("" switches that off). Nothing is executed, looked up or guessed.

    Raises:
        ToolDefinitionError: the schema of a tool that was called can't be compiled.
    """
    text = answer.text
    if answer.finish in (FinishReason.LENGTH, FinishReason.FILTER):
        return Reading(text=text, finding=_cut(answer.finish))
    offered = {tool.name: tool for tool in tools}
    found = _structured(answer.calls, text) if answer.calls else _in_text(text, offered, profile)
    if found.problem is not None:
        return Reading(text=text, dialect=found.dialect, finding=_unreadable(found.problem))
    if not found.candidates:
        return Reading(text=text, finding=None if text.strip() else _EMPTY)
    return _settled(found, offered, shown, text, profile)


_EMPTY = Finding(kind=FindingKind.EMPTY, rule="the answer is empty", fix="write a call, or words")


def _cut(finish: FinishReason) -> Finding:
    why = "its cap of tokens" if finish is FinishReason.LENGTH else "the server's filter"
    return Finding(
        kind=FindingKind.TRUNCATED, rule=f"the answer was cut by {why}", fix="answer again, in fewer words"
    )


def _unreadable(problem: Unreadable) -> Finding:
    kind = FindingKind.TRUNCATED if problem.is_open else FindingKind.UNREADABLE
    return Finding(
        kind=kind,
        rule=problem.rule,
        where=problem.where,
        value=problem.value,
        fix="write the call again, whole",
    )


def _structured(calls: Sequence[RawCall], text: str) -> Found:
    spelled = tuple(Candidate(call.name, call.arguments) for call in calls)
    return Found(spelled, text, "structured")


def _settled(
    found: Found, offered: dict[str, ToolSpec], shown: str, text: str, profile: ReaderProfile
) -> Reading:
    """Look up, read and validate every candidate; the first that fails is the finding of all."""
    calls: list[Call] = []
    edits: list[Edit] = []
    for number, candidate in enumerate(found.candidates):
        settled = _settle(candidate, offered, shown)
        if isinstance(settled, Finding):
            return Reading(text=text, dialect=found.dialect, finding=settled)
        call, changes = settled
        calls.append(call)
        prefix = f"/{number}"
        edits.extend(Edit(edit.name, prefix + edit.where, edit.before, edit.after) for edit in changes)
    if 0 < profile.max_calls < len(calls):
        rule = f"the answer holds {len(calls)} calls and may hold {profile.max_calls}"
        finding = Finding(kind=FindingKind.TOO_MANY_CALLS, rule=rule, fix="write one call")
        return Reading(text=text, dialect=found.dialect, finding=finding)
    return Reading(calls=tuple(calls), text=found.words, dialect=found.dialect, edits=tuple(edits))


def _settle(
    candidate: Candidate, offered: dict[str, ToolSpec], shown: str
) -> tuple[Call, tuple[Edit, ...]] | Finding:
    tool, renamed = resolve(candidate.name, offered)
    if tool is None:
        return _unknown(candidate.name, offered)
    try:
        arguments, decoded = arguments_of(candidate.arguments)
    except Unreadable as problem:
        finding = _unreadable(problem)
        return Finding(
            kind=finding.kind,
            rule=problem.rule,
            where=problem.where,
            value=problem.value,
            fix=finding.fix,
            tool=tool.name,
        )
    checked = check(tool, arguments)
    if checked.finding is not None:
        return checked.finding
    if shown and (finding := ungrounded(tool, checked.arguments, shown)):
        return finding
    return Call(tool.name, checked.arguments), (*candidate.edits, *renamed, *decoded, *checked.edits)


def _unknown(name: str, offered: dict[str, ToolSpec]) -> Finding:
    close = nearest(name, list(offered)) or list(offered)[:5]
    fix = "use one of " + ", ".join(close) if close else "answer in words; no tool is on offer"
    return Finding(kind=FindingKind.UNKNOWN_TOOL, rule="no such tool is on offer", value=name[:60], fix=fix)


_TAGGED = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_FENCED = re.compile(r"\A\s*```(?:json|tool_call|tool)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
_THOUGHT = re.compile(r"\A\s*(?:<think>)?(?:(?!</think>).)*</think>", re.DOTALL)


def _in_text(text: str, offered: dict[str, ToolSpec], profile: ReaderProfile) -> Found:
    body = text if profile.calls_in_reasoning else _THOUGHT.sub("", text, count=1)
    bodies = [match.group(1) for match in _TAGGED.finditer(body)]
    try:
        if bodies:
            spelled = [call for piece in bodies for call in _spelled(piece, offered)]
            return Found(tuple(spelled), _TAGGED.sub("", body).strip(), "hermes")
        fenced = _FENCED.match(body)
        sole = (fenced.group(1) if fenced else body).strip()
        if sole[:1] in ("{", "[") and (read_one := read_value(sole)) and not sole[read_one.end :].strip():
            if is_call_shaped(read_one.value, offered):
                return Found(tuple(candidates(read_one, offered)), "", "json")
    except Unreadable as problem:
        return Found(problem=problem, dialect="hermes" if bodies else "json")
    return Found(words=text)


def _spelled(body: str, offered: dict[str, ToolSpec]) -> list[Candidate]:
    spelled: list[Candidate] = []
    rest = body.strip()
    while rest or not spelled:
        read_one = read_value(rest)
        spelled.extend(candidates(read_one, offered))
        rest = rest[read_one.end :].strip()
    return spelled
