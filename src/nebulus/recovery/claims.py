"""Compares what a model says it did with the calls that were made.

Invariants: a claim that the ledger contradicts is a failure, never a success; only what is certainly claimed is
contradicted (in the first person, or as a report of what was done), since a wrong objection costs a good step; an
admission that the work could not be done is not a completion.

A claim consists of words only, so this is the one place where code interprets words. It understands English.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from nebulus.core.findings import Finding, FindingKind
from nebulus.core.history import CallRecord

CLAIM_CHARS = 4000
"""The longest part of a claim that is examined."""


class Ledger(Struct, frozen=True, kw_only=True):
    """What a run has done, and how the last call of the step ended.

    `last_error` is the error of the step's last call, empty if it succeeded or there was none.
    """

    calls: tuple[CallRecord, ...] = ()
    last_error: str = ""


_OBSERVED = re.compile(
    r"^[ \t]{0,40}(?:#{1,6}[ \t]{0,8}|\*\*)?(?:observation|tool (?:result|output|response)|function (?:result|output))(?:\*\*)?\s*:"
    r"|<tool_response>|<function_results?>",
    re.IGNORECASE | re.MULTILINE,
)
_PATH = r"[`'\"]?(?P<path>(?:[\w.~-]{1,64}/){0,16}[\w-]{1,64}\.[A-Za-z][\w]{0,7})[`'\"]?"
_CHANGED = re.compile(
    r"\b(?:I(?:'ve| have)?|we(?:'ve| have)?) (?:also |now |successfully |just ){0,4}"
    r"(?:written|wrote|created|saved|updated|edited|modified|changed|deleted|removed|moved|renamed|copied|appended)"
    r"\b[^.\n]{0,80}?" + _PATH
    + r"|(?:file |document )?" + _PATH.replace("path", "other")
    + r" (?:has been|was|have been|is now|is) (?:successfully )?"
    r"(?:written|created|saved|updated|edited|modified|deleted|removed|moved|renamed|copied)\b",
    re.IGNORECASE,
)  # fmt: skip
_TESTED = re.compile(
    r"\b(?:all |the |unit ){0,4}tests? (?:now )?(?:pass(?:es|ed)?\b|are (?:all )?(?:passing|green)|succeed)"
    r"|\bI(?:'ve| have)? (?:run|ran|executed) (?:all |the |your ){0,4}(?:unit )?tests?\b",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    r"\b(?:if|once|when|should|would|will|could|can|may|to make|ensure|so that|until|unless|after)\b",
    re.IGNORECASE,
)
_ADMITTED = re.compile(
    r"\b(?:I|we)(?:'m| am| was| are| were)? (?:sorry[, ]+(?:but )?(?:I )?)?"
    r"(?:can(?:'t|not|not)|could(?:n't| not)|(?:was |am |were )?(?:unable|not able) to|failed to|do(?:n't| not) have (?:the |a |any )?"
    r"(?:tool|access|ability|permission))"
    r"|\b(?:it is|it's|this is) (?:not possible|impossible)\b"
    r"|\bthere is no (?:tool|way)\b",
    re.IGNORECASE,
)
_MENTIONS_ERROR = re.compile(
    r"\b(?:error|fail(?:ed|ure)?|could(?:n't| not)|can(?:'t|not)|unable|denied|not found|no such|refused|problem)\b",
    re.IGNORECASE,
)

_CLOSED = re.compile(r"[^.?!\n]*[.?!]+")
_OFFER = re.compile(
    r"\b(?:anything|something) else\b|\bhow (?:can|may) I (?:help|assist)\b"
    r"|\b(?:would|do) you (?:like|want) me to\b|\b(?:shall|should|can|may) I (?:help|assist|proceed|continue|go ahead)\b",
    re.IGNORECASE,
)
_WANTED = re.compile(r"\b(?:ask(?:s|ing)?|questions?|quiz|riddles?|interview|survey)\b|\?", re.IGNORECASE)
_OVER = re.compile(r"\b(?:done|complete[d]?|finished|success(?:fully|ful))\b", re.IGNORECASE)


def is_question(claim: str, *, step: str = "") -> bool:
    """Whether a claim only asks: it ends with a question, and reports no work as done.

    An offer of more help after a report does not count as a question; an offer alone does. If `step` itself says to
    ask something or to think of a question, a question is the work.
    """
    if _WANTED.search(step):
        return False
    sentences = [part for each in _sentences(claim[:CLAIM_CHARS]) if (part := each.strip())]
    statements = [part for part in sentences if not part.endswith("?")]
    if not statements:
        return bool(sentences)
    meant = [part for part in sentences if not _OFFER.search(part)]
    return bool(meant) and meant[-1].endswith("?") and not any(_OVER.search(part) for part in statements)


def contradiction(claim: str, ledger: Ledger) -> Finding | None:
    """Return what is wrong with a claim of completion, or None if the ledger does not contradict it."""
    text = claim[:CLAIM_CHARS]
    return (
        _invented(text)
        or _admitted(text, ledger)
        or _unwritten(text, ledger)
        or _untested(text, ledger)
        or _despite_failure(text, ledger)
    )


def _invented(text: str) -> Finding | None:
    match = _OBSERVED.search(text)
    return _dishonest("tool results are written by the tool, never by you", match[0]) if match else None


def _admitted(text: str, ledger: Ledger) -> Finding | None:
    match = _ADMITTED.search(text)
    if match is None or ledger.calls:
        return None
    rule = "the step is not done by saying that it can't be"
    return Finding(kind=FindingKind.GAVE_UP, rule=rule, value=_around(text, match))


def _unwritten(text: str, ledger: Ledger) -> Finding | None:
    changed = " ".join(record.arguments_text for record in ledger.calls if record.is_change)
    for match in _CHANGED.finditer(text):
        path = match["path"] or match["other"]
        is_done = path.rsplit("/", 1)[-1] in changed
        if not is_done and not _is_hypothetical(text[: match.start()]):
            return _dishonest(f"no call has changed {path}", _around(text, match))
    return None


def _untested(text: str, ledger: Ledger) -> Finding | None:
    match = _TESTED.search(text)
    if match is None or _is_hypothetical(text[: match.start()]):
        return None
    if any("test" in f"{record.tool} {record.arguments_text}".lower() for record in ledger.calls):
        return None
    return _dishonest("no call has run a test", _around(text, match))


def _is_hypothetical(before: str) -> bool:
    """Whether the sentence that `before` ends in began as a wish, a condition or a plan."""
    line = before.removesuffix("\n")
    return _HYPOTHETICAL.search(line, max(line.rfind("."), line.rfind("\n")) + 1) is not None


def _sentences(text: str) -> Iterator[str]:
    """Yield the sentences of each line: up to marks that a blank or the end follows, else all that is left."""
    for line in text.split("\n"):
        start = 0
        while start < len(line):
            match = _CLOSED.match(line, start)
            end = match.end() if match else len(line)
            if end < len(line) and not line[end].isspace():
                end = len(line)
            yield line[start:end]
            start = end


def _despite_failure(text: str, ledger: Ledger) -> Finding | None:
    if not ledger.last_error or _MENTIONS_ERROR.search(text):
        return None
    return _dishonest(
        "the last call of this step failed, and none has succeeded since", ledger.last_error[:200]
    )


def _dishonest(rule: str, value: str) -> Finding:
    fix = "make the call, or say what prevents it"
    return Finding(kind=FindingKind.DISHONEST_CLAIM, rule=rule, value=value, fix=fix)


def _around(text: str, match: re.Match[str]) -> str:
    return " ".join(text[max(0, match.start() - 20) : match.end() + 40].split())[:200]
