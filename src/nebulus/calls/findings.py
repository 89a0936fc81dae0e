"""The findings that the reader makes, each with its rule and what would fix it."""

from collections.abc import Sequence

from nebulus.calls.literal import UnreadableError
from nebulus.calls.names import nearest
from nebulus.core.answers import FinishReason
from nebulus.core.findings import CallEvidence, Finding, FindingKind

EMPTY = Finding(kind=FindingKind.EMPTY, rule="the answer is empty", fix="write a call, or words")
NOT_UNICODE = Finding(
    kind=FindingKind.UNREADABLE, rule="the answer holds half of a surrogate pair", fix="answer again"
)
ONLY_REASONING = Finding(
    kind=FindingKind.EMPTY, rule="the answer holds reasoning and nothing else", fix="write a call, or words"
)


def cut(finish: FinishReason) -> Finding:
    """Return the finding for an answer that was stopped before its end."""
    why = "its cap of tokens" if finish is FinishReason.LENGTH else "the server's filter"
    rule = f"the answer was cut by {why}"
    return Finding(kind=FindingKind.TRUNCATED, rule=rule, fix="answer again, in fewer words")


def unreadable(problem: UnreadableError, *, tool: str = "") -> Finding:
    """Return the finding for a call that can't be read without loss."""
    kind = FindingKind.TRUNCATED if problem.is_open else FindingKind.UNREADABLE
    fix = "write the call again, whole, as one JSON object"
    return Finding(kind=kind, rule=problem.rule, where=problem.where, value=problem.value, fix=fix, tool=tool)


def ambiguous(rule: str, *, value: str = "") -> Finding:
    """Return the finding for an answer that can be read in two ways."""
    fix = "write the call and nothing else, or words without a call"
    return Finding(kind=FindingKind.AMBIGUOUS, rule=rule, value=value[:60], fix=fix)


def unconfirmed(evidence: CallEvidence, needed: CallEvidence, *, why: str, tool: str) -> Finding:
    """Return the finding for a call on less evidence than its tool needs."""
    reason = f": {why}" if why else ""
    rule = (
        f"is this call meant? It is {evidence.name.lower()}, and {tool} needs {needed.name.lower()}{reason}"
    )
    fix = "write the call and nothing else, or words without a call"
    return Finding(kind=FindingKind.UNCONFIRMED, rule=rule, value=tool, fix=fix, tool=tool)


def unknown_tool(name: str, offered: Sequence[str]) -> Finding:
    """Return the finding for a name that is not on offer, with the names that are near."""
    close = nearest(name, offered) or list(offered)[:5]
    fix = "use one of " + ", ".join(close) if close else "answer in words; no tool is on offer"
    return Finding(kind=FindingKind.UNKNOWN_TOOL, rule="no such tool is on offer", value=name[:60], fix=fix)


def too_many(count: int, allowed: int) -> Finding:
    """Return the finding for more calls than one answer may hold."""
    rule = f"the answer holds {count} calls and may hold {allowed}"
    return Finding(kind=FindingKind.TOO_MANY_CALLS, rule=rule, fix=f"write {allowed}")
