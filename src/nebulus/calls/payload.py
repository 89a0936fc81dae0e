"""Calls without markers: they count only where they are all that an answer holds.

Laws: words beside an unmarked call make it doubtful, never a call; data that only looks like a call
is data.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from nebulus.calls.bodies import after, named_arguments, value_and_surplus
from nebulus.calls.candidate import Candidate, candidates, is_call_shaped
from nebulus.calls.dialect import Source
from nebulus.calls.invocation import invocations, listed, starts_call, starts_list
from nebulus.calls.literal import MISSING_CLOSER, UnreadableError
from nebulus.calls.names import resolve
from nebulus.core.tools import ToolSpec

_BLANK = re.compile(r"\s*+")
_BETWEEN = re.compile(r"(?:\s|[;,]|</tool_call>|</function>)*")
_NAMED_LINE = re.compile(r"\s*+([\w.\-:/]{1,160})\s*+(?=\{)")
_QUOTED_CALL = re.compile(r"\[\s*+(['\"])(?=[A-Za-z_][\w.\-]{0,159}\()")
_ACTION = re.compile(
    r"(?:\A|\n)[ \t*]*+Action[ \t*]*:[ \t*]*([^\n]{1,160})\n\s*+[ \t*]*Action[ _]Input[ \t*]*:[ \t*]*"
)
_ACTION_CALL = re.compile(r"(?:\A|\n)[ \t*]*+Action[ \t*]*:[ \t*`]*+(?=[A-Za-z_][\w.\-]{0,159}\()")
_OBSERVATION = re.compile(r"\n[ \t*]*+Observation[ \t*]*:")


class Payload(Struct, frozen=True):
    """What a whole text spells without markers: calls in a dialect, a problem, or nothing ("")."""

    dialect: str = ""
    candidates: tuple[Candidate, ...] = ()
    problem: UnreadableError | None = None
    words: str = ""


NOTHING = Payload()


def read_payload(text: str, offered: Mapping[str, ToolSpec]) -> Payload:
    """Return the calls that all of `text` spells; nothing where it is words or data."""
    start = after(_BLANK, text, 0)
    head = text[start : start + 1]
    if head == "":
        return NOTHING
    if head in "[{":
        found = _bracketed(text, start, offered)
        if found is not None:
            return found
    return _named(text, start, offered) or _action(text, offered) or NOTHING


def _bracketed(text: str, start: int, offered: Mapping[str, ToolSpec]) -> Payload | None:
    if starts_list(text, start):
        return _python(text, start, offered)
    try:
        if (one := listed(text, start)) is not None and _is_offered(one[0].name, offered):
            return _alone("python", [one[0]], text, end=one[1])
        return _json(text, start, offered)
    except UnreadableError as problem:
        return Payload("json", problem=problem) if _mentions(text, offered) else NOTHING


def _json(text: str, start: int, offered: Mapping[str, ToolSpec]) -> Payload:
    """Return the calls of one JSON value behind another, if all of them are calls."""
    found: list[Candidate] = []
    position = start
    while text.startswith(("{", "["), position):
        read, position = value_and_surplus(text, position)
        if _QUOTED_CALL.match(text, start) and isinstance(read.value, list):
            return _quoted_calls(read.value, offered)
        if not is_call_shaped(read.value, offered):
            return _broken_shape(text, read.value, position, offered=offered)
        found.extend(candidates(read, offered))
        position = after(_BETWEEN, text, position)
    return _alone("json", found, text, end=position)


def _broken_shape(text: str, value: object, end: int, *, offered: Mapping[str, ToolSpec]) -> Payload:
    """Return the problem of an object that names a tool on offer and yet is no call; nothing for data."""
    is_whole = not text[end:].strip()
    items = value if isinstance(value, list) else [value]
    named = [item for item in items if isinstance(item, dict) and _names_tool(item, offered)]
    if not named or not is_whole:
        return NOTHING
    return Payload(
        "json", problem=UnreadableError("a call has no arguments in any known spelling", value=text[:60])
    )


def _names_tool(item: dict[object, object], offered: Mapping[str, ToolSpec]) -> bool:
    return any(
        isinstance(item.get(key), str) and item[key] in offered
        for key in ("name", "tool", "function", "action")
    )


def _quoted_calls(items: list[object], offered: Mapping[str, ToolSpec]) -> Payload:
    """Return the calls of a list whose items are calls as text."""
    found: list[Candidate] = []
    for item in items:
        if not isinstance(item, str):
            return NOTHING
        calls, end = invocations(item, 0)
        if item[end:].strip() or not all(_is_offered(call.name, offered) for call in calls):
            return NOTHING
        found.extend(calls)
    return Payload("python", tuple(found))


def _python(text: str, start: int, offered: Mapping[str, ToolSpec]) -> Payload:
    try:
        found, end = invocations(text, start)
    except UnreadableError as problem:
        return Payload("python", problem=problem) if _mentions(text, offered) else NOTHING
    return _alone("python", found, text, end=end)


def _named(text: str, start: int, offered: Mapping[str, ToolSpec]) -> Payload | None:
    """Return a call that begins with the name of a tool on offer."""
    if starts_call(text, start):
        name = text[start : text.index("(", start)].strip()
        return _python(text, start, offered) if _is_offered(name, offered) else None
    match = _NAMED_LINE.match(text, start)
    if match is None or not _is_offered(match[1], offered):
        return None
    try:
        candidate, end = named_arguments(Source(text, offered), match[1], match.end())
    except UnreadableError as problem:
        return Payload("named", problem=problem)
    return _alone("named", [candidate], text, end=end)


def _action(text: str, offered: Mapping[str, ToolSpec]) -> Payload | None:
    """Return the call of a ReAct answer: its first action; an observation is not the model's to write.

    Source: Yao et al. 2022, arXiv 2210.03629; the prompts of LangChain's ReAct agents.
    """
    if "Action" not in text:
        return None
    match = _ACTION.search(text)
    if match is None:
        return _action_call(text, offered)
    name = match[1].strip().strip("`'\"[]*")
    if not _is_offered(name, offered):
        return None
    try:
        candidate, end = named_arguments(Source(text, offered), name, match.end())
    except UnreadableError as problem:
        return Payload("react", problem=problem)
    rest = text[end:]
    observed = _OBSERVATION.search(rest)
    if _ACTION.search(rest[: observed.start()] if observed else rest):
        return Payload(
            "react", problem=UnreadableError("more than one action stands in one answer", reached=end)
        )
    return Payload("react", (candidate,), words=text[: match.start()].strip())


def _action_call(text: str, offered: Mapping[str, ToolSpec]) -> Payload | None:
    """Return the action of a ReAct answer that is written as in Python, and is the last that it says."""
    match = _ACTION_CALL.search(text)
    if match is None or not _is_offered(text[match.end() : text.index("(", match.end())], offered):
        return None
    try:
        found, end = invocations(text, match.end())
    except UnreadableError as problem:
        return Payload("react", problem=problem)
    rest = text[end:].strip(" \t\n*`")
    if rest and not _OBSERVATION.match(f"\n{rest}"):
        return Payload("react", problem=UnreadableError("words stand behind the action", reached=end))
    return Payload("react", tuple(found), words=text[: match.start()].strip())


def _alone(dialect: str, found: list[Candidate], text: str, *, end: int) -> Payload:
    """Return the calls if nothing stands behind them but closers that close nothing."""
    position = after(_BETWEEN, text, end)
    rest = text[position:].strip()
    if not rest:
        return Payload(dialect, tuple(found))
    if len(rest) <= 2 and all(sign in ")]}" for sign in rest) and not _is_mended(found):
        return Payload(dialect, tuple(found))
    return NOTHING


def _is_mended(found: list[Candidate]) -> bool:
    return any(edit.name == MISSING_CLOSER for candidate in found for edit in candidate.edits)


def _is_offered(name: str, offered: Mapping[str, ToolSpec]) -> bool:
    return resolve(name, offered)[0] is not None


def _mentions(text: str, offered: Mapping[str, ToolSpec]) -> bool:
    """Whether the name of a tool on offer stands in the text as a call would have it."""
    return any(spelled in text for name in offered for spelled in (f'"{name}"', f"'{name}'", f"{name}("))
