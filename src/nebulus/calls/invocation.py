"""Calls written as in Python: `name(key=value)`, alone or in a list.

Invariants: keywords are arguments; one value without a name is kept apart, to be matched with the one
parameter that it can be; anything else that Python could compute is refused.
"""

import re
from typing import Any

from msgspec.structs import replace

from nebulus.calls.bodies import closed
from nebulus.calls.candidate import Candidate, require_certain_closers
from nebulus.calls.dialect import Block, Source
from nebulus.calls.literal import MISSING_CLOSER, UnreadableError, Value
from nebulus.calls.scanner import Scanner
from nebulus.core.findings import Edit

_CALL = re.compile(r"([A-Za-z_][\w.\-]{0,159})\s*+\(")
_NAME = re.compile(r"[A-Za-z_][\w.\-]{0,159}")
_KEYWORD = re.compile(r"[A-Za-z_]\w*+(?=\s{0,99}+[=:](?!=))")
_LIST = re.compile(r"\[\s*+[A-Za-z_][\w.\-]{0,159}\s*+\(")
_BLANK = re.compile(r"\s*+")
PRINTING = ("print",)
"""What models wrap a call in, to show its result. Source: the prompt format of Gemma 3's function calling."""


def starts_call(text: str, position: int) -> bool:
    """Whether `name(` is at `position`."""
    return _CALL.match(text, position) is not None


def starts_list(text: str, position: int) -> bool:
    """Whether `[name(` is at `position`."""
    return _LIST.match(text, position) is not None


def invocation_block(
    source: Source, start: int, body: int, *, dialect: str, closers: tuple[str, ...]
) -> Block:
    """Return the block of Python calls that begins at `body` and ends at one of `closers`, or the end."""
    try:
        found, end = invocations(source.text, body)
    except UnreadableError as problem:
        end = source.after_first(closers, max(problem.reached, body))
        return Block(start=start, end=end, dialect=dialect, problem=problem)
    end = closed(source.text, end, closers)
    return Block(start=start, end=end, dialect=dialect, candidates=tuple(found))


def invocations(text: str, start: int) -> tuple[list[Candidate], int]:
    """Return the calls at `start`, in a list or one behind another, and where they end.

    Raises:
        UnreadableError: what is there is not a call, or can't be read without loss.
    """
    position = _after_blank(text, start)
    is_list = text.startswith("[", position)
    position = _after_blank(text, position + is_list)
    found: list[Candidate] = []
    while starts_call(text, position):
        candidate, position = _invocation(text, position)
        found.append(candidate)
        position = _after_blank(text, position)
        if text.startswith((",", ";"), position) or (is_list and text.startswith(("+", "|", "&"), position)):
            found[-1] = (
                found[-1] if text[position] in ",;" else _with_edit(found[-1], "calls joined by a sign", ",")
            )
            position = _after_blank(text, position + 1)
    if not found:
        raise UnreadableError("a call belongs here", value=text[position : position + 24], reached=position)
    if not is_list:
        return found, position
    if text.startswith("]", position):
        return found, position + 1
    if position >= len(text) or text[position] in "<`":
        is_cut = position >= len(text) and len(found) > 1
        if is_cut:
            raise UnreadableError("the list of calls is not closed", reached=position, is_open=True)
        return [_with_edit(found[-1], MISSING_CLOSER, "]")], position
    raise UnreadableError(
        "the list of calls is not closed", value=text[position : position + 24], reached=position
    )


def _after_blank(text: str, position: int) -> int:
    return _BLANK.match(text, position).end()  # type: ignore[union-attr]


def _with_edit(candidate: Candidate, name: str, after: str) -> Candidate:
    edits = (*candidate.edits, Edit(name, "", "", after))
    return replace(candidate, edits=edits)


def _invocation(text: str, position: int) -> tuple[Candidate, int]:
    match = _CALL.match(text, position)
    assert match is not None  # the caller has looked
    name = match[1]
    inner = _after_blank(text, match.end())
    if name in PRINTING and starts_call(text, inner):
        candidate, end = _invocation(text, inner)
        end = _after_blank(text, end)
        if not text.startswith(")", end):
            raise UnreadableError("a call that is printed is not closed", reached=end)
        return candidate, end + 1
    return arguments_between(text, match.end(), name=name, closer=")")


def arguments_between(text: str, position: int, *, name: str, closer: str) -> tuple[Candidate, int]:
    """Return the call of `name` whose arguments go from `position` to `closer`, and where it ends.

    Raises:
        UnreadableError: the arguments can't be read without loss.
    """
    scanner = Scanner(text, is_python=True)
    scanner.closers.append(closer)
    keywords: dict[str, Any] = {}
    values: list[Any] = []
    position = scanner.skip(position)
    while (head := scanner.at(position)) != closer:
        if head == "" or head in "}])":
            position = scanner.close(position) - 1
            break
        if keyword := _KEYWORD.match(text, position):
            key = keyword.group()
            if key in keywords:
                raise scanner.refusal(f"the argument {key!r} appears twice", position)
            scanner.path.append(key)
            position = scanner.skip(scanner.skip(keyword.end()) + 1)
            keywords[key], position = scanner.value(position)
            scanner.path.pop()
        else:
            value, position = scanner.value(position)
            values.append(value)
        position = scanner.separator(position)
    return _called(name, keywords, values, read=scanner.result(None, position)), position + 1


def _called(name: str, keywords: dict[str, Any], values: list[Any], *, read: Value) -> Candidate:
    if not values:
        require_certain_closers(keywords, read, "")
        return Candidate(name, keywords, read.edits)
    require_certain_closers({str(place): value for place, value in enumerate(values)}, read, "")
    if isinstance(values[0], dict) and len(values) == 1 and not keywords:
        require_certain_closers(values[0], read, "")
        return Candidate(name, values[0], (*read.edits, Edit("object as arguments")))
    return Candidate(name, values, read.edits, beside=keywords, is_positional=True)


def listed(text: str, position: int) -> tuple[Candidate, int] | None:
    """Return the call written as a list of its name and its arguments, and where it ends; None if none does.

    `["name", {…}]`, `["name", key=value]` and `[name, key=value]`: a misplaced bracket, and nothing lost.

    Raises:
        UnreadableError: a name is there, and its arguments can't be read.
    """
    if not text.startswith("[", position):
        return None
    quote = text[position + 1 : position + 2] if text[position + 1 : position + 2] in ("'", '"') else ""
    name = _NAME.match(text, position + 1 + len(quote))
    if name is None or not text.startswith(quote, name.end()):
        return None
    place = _after_blank(text, name.end() + len(quote))
    if not text.startswith(",", place):
        return None
    candidate, end = arguments_between(text, place + 1, name=name.group(), closer="]")
    if candidate.is_positional or not candidate.arguments:
        return None
    return _with_edit(candidate, "name and arguments in one list", ""), end
