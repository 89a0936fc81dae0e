"""What is between a dialect's markers: JSON calls, arguments for a name, or marked-up parameters."""

import re
from html import unescape

from msgspec.structs import replace

from nebulus.calls.candidate import Candidate, candidates, require_certain_closers
from nebulus.calls.dialect import Block, Source, Take
from nebulus.calls.literal import MISSING_CLOSER, UnreadableError, Value
from nebulus.calls.names import resolve
from nebulus.calls.scanner import read_value
from nebulus.calls.schema import property_names
from nebulus.core.findings import Edit

_CLOSING = ("<", "[TOOL_CALLS]")
"""What begins where arguments would: the end of the call, or the next one."""
_ENTITIES = re.compile(r"[\[{]\s*+\{?\s*+&quot;")
_FENCE_OPENED = re.compile(r"\s*+(?:```[a-z_]*+\s*+)?")
_BLANK = re.compile(r"\s*+")
_FENCE_CLOSED = re.compile(r"\s*+(?:```\s*+)?")
_BETWEEN = re.compile(r"\s*+[,;]?+\s*+")
_SURPLUS = re.compile(r"(?:\s*+[}\])])+")


def tagged(dialect: str, *closers: str) -> Take:
    """Return how to take JSON calls between an opener and one of `closers`, or the end of the text."""

    def take(source: Source, start: int, body: int) -> Block:
        return json_block(source, start, body, dialect=dialect, closers=closers)

    return take


def json_block(source: Source, start: int, body: int, *, dialect: str, closers: tuple[str, ...]) -> Block:
    """Return the block of JSON calls that begins at `body` and ends at one of `closers`, or the end."""
    found: list[Candidate] = []
    position = after(_FENCE_OPENED, source.text, body)
    if _ENTITIES.match(source.text, position):
        return _unescaped(source, start, position, dialect=dialect, closers=closers)
    try:
        while source.text.startswith(("{", "["), position) or not found:
            read, position = value_and_surplus(source.text, position)
            found.extend(candidates(read, source.offered))
            position = after(_BETWEEN, source.text, position)
    except UnreadableError as problem:
        end = source.after_first(closers, max(problem.reached, body))
        return Block(start=start, end=end, dialect=dialect, problem=problem)
    end = closed(source.text, position, closers)
    return Block(start=start, end=end, dialect=dialect, candidates=tuple(found))


def _unescaped(source: Source, start: int, body: int, *, dialect: str, closers: tuple[str, ...]) -> Block:
    """Return the block of JSON whose quotes are written as entities of XML, all of them."""
    end = min((source.find(closer, body) for closer in closers), default=len(source.text))
    inner = Source(unescape(source.text[body:end]), source.offered)
    block = json_block(inner, 0, 0, dialect=dialect, closers=())
    edit = Edit("entities of XML", "", "&quot;", '"')
    found = tuple(replace(each, edits=(*each.edits, edit)) for each in block.candidates)
    is_whole = block.problem is not None or not inner.text[block.end :].strip()
    problem = block.problem if is_whole else UnreadableError("something is behind the call", reached=end)
    end = closed(source.text, end, closers)
    return Block(start=start, end=end, dialect=dialect, candidates=() if problem else found, problem=problem)


def value_and_surplus(text: str, start: int) -> tuple[Value, int]:
    """Return the value at `start` and where it ends together with closers that close nothing.

    Raises:
        UnreadableError: no value can be read there.
    """
    read = read_value(text, start)
    surplus = _SURPLUS.match(text, read.end)
    if not surplus:
        return read, read.end
    if any(edit.name == MISSING_CLOSER for edit in read.edits):
        raise UnreadableError(
            "closers are missing in one place and left over in another", reached=surplus.end()
        )
    edit = Edit("surplus closer", "", surplus.group().strip()[:40])
    return Value(read.value, surplus.end(), (*read.edits, edit), read.is_terminated), surplus.end()


def closed(text: str, position: int, closers: tuple[str, ...]) -> int:
    """Return where a block ends: behind its closer if that is what comes next, else at `position`."""
    for place in (after(_BLANK, text, position), after(_FENCE_CLOSED, text, position)):
        closer = next((closer for closer in closers if text.startswith(closer, place)), "")
        if closer:
            return place + len(closer)
    return position


def after(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Return where `pattern` ends when matched at `position`; `position` itself if it does not match."""
    match = pattern.match(text, position)
    return match.end() if match else position


_BACKWARDS = re.compile(r"\s{0,8}+([\w.\-/:]{1,160})")


def name_before(source: Source, place: int) -> tuple[str, int]:
    """Return the name that ends before `place`, but for blanks, and where it begins; "" for none that is free."""
    backwards = _BACKWARDS.match(source.text[max(place - 200, source.taken) : place][::-1])
    return (backwards[1][::-1], place - backwards.end()) if backwards else ("", place)


def named_arguments(source: Source, name: str, position: int) -> tuple[Candidate, int]:
    """Return the call of `name` with the JSON arguments at `position`, and where these end.

    Raises:
        UnreadableError: no arguments can be read there.
    """
    place = after(_FENCE_OPENED, source.text, position)
    is_nothing = place >= len(source.text) or source.text.startswith(_CLOSING, place)
    tool = resolve(name, source.offered)[0] if is_nothing else None
    if tool is not None and not property_names(tool):
        return Candidate(name, {}, (Edit("nothing as no arguments"),)), place
    read, end = value_and_surplus(source.text, place)
    require_certain_closers(read.value, read, "")
    return Candidate(name, read.value, read.edits), end


def json_arguments_block(
    source: Source, start: int, position: int, *, name: str, dialect: str, closers: tuple[str, ...]
) -> Block:
    """Return the block of the call of `name` whose JSON arguments are at `position`."""
    try:
        candidate, end = named_arguments(source, name, position)
    except UnreadableError as problem:
        end = source.after_first(closers, max(problem.reached, position))
        return Block(start=start, end=end, dialect=dialect, problem=problem)
    end = closed(source.text, end, closers)
    return Block(start=start, end=end, dialect=dialect, candidates=(candidate,))


def extended(source: Source, block: Block, closers: tuple[str, ...]) -> Block:
    """Return `block` together with the closer that follows it, if one does."""
    if block.problem is not None:
        return block
    return replace(block, end=closed(source.text, block.end, closers))
