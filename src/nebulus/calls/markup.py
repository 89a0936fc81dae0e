"""Parameters marked up one by one, as in XML, with their values as plain text.

Invariants: a value ends at its closing tag where the next tag follows; where it may end in two places it is
refused; content is never trimmed but by what the dialect adds.
"""

import re
from typing import Any

from msgspec import Struct

from nebulus.calls.candidate import Candidate
from nebulus.calls.dialect import Block, Source
from nebulus.calls.literal import RawText, UnreadableError
from nebulus.calls.scanner import read_value
from nebulus.calls.schema import property_names
from nebulus.core.findings import Edit

_BLANK = re.compile(r"\s*+")
_MARKED = re.compile(r"[<\n]")


class Markup(Struct, frozen=True, kw_only=True):
    """How a dialect marks a call's parameters up.

    `opener` matches the tag before a value; its group `key` names the parameter, its group `kind`, where
    there is one, is in `text_kinds` for a value that is text and is JSON otherwise. `closer` is the tag
    behind a value, `call_closer` the one behind the call, and `behind_call` what may follow that: a value
    whose own tag was left out ends at a call's end only where that is the end of the call for certain.
    """

    opener: str
    closer: str
    call_closer: str
    behind_call: str
    outer_closer: str = ""
    """The tag around the call: behind a parameter it ends a call whose own closing tag was left out."""
    text_kinds: frozenset[str] = frozenset()
    is_framed: bool = False
    """One line break at each end of a value belongs to the markup."""


class _Patterns(Struct, frozen=True):
    opener: re.Pattern[str]
    call_closer: re.Pattern[str]
    end: re.Pattern[str]
    next_tag: re.Pattern[str]


_compiled: dict[Markup, _Patterns] = {}


def _patterns(markup: Markup) -> _Patterns:
    if markup not in _compiled:
        plain_opener = re.sub(r"\?P<\w+>", "?:", markup.opener)
        closing = (
            f"{markup.call_closer}|(?={markup.outer_closer})" if markup.outer_closer else markup.call_closer
        )
        end = rf"{markup.closer}(?=\s*+(?:{plain_opener}|{closing}|\Z))"
        call_end = rf"(?={markup.call_closer}\s*+(?:{markup.behind_call}|(?P<last>\Z)))"
        next_tag = rf"\n[ \t]*+(?P<tag>{markup.opener})|{call_end}"
        _compiled[markup] = _Patterns(
            re.compile(markup.opener), re.compile(closing), re.compile(end), re.compile(next_tag)
        )
    return _compiled[markup]


def marked_block(
    source: Source, start: int, position: int, *, name: str, dialect: str, markup: Markup
) -> Block:
    """Return the block of the call of `name` whose parameters begin at `position`."""
    try:
        declared = frozenset(property_names(source.offered[name])) if name in source.offered else frozenset()
        arguments, edits, end = _parameters(source, position, markup, declared=declared)
    except UnreadableError as problem:
        closer = source.search(_patterns(markup).call_closer, max(problem.reached, position))
        end = closer.end() if closer else len(source.text)
        return Block(start=start, end=end, dialect=dialect, problem=problem)
    return Block(
        start=start, end=end, dialect=dialect, candidates=(Candidate(name, arguments, tuple(edits)),)
    )


def _parameters(
    source: Source, position: int, markup: Markup, *, declared: frozenset[str]
) -> tuple[dict[str, Any], list[Edit], int]:
    patterns, text = _patterns(markup), source.text
    arguments: dict[str, Any] = {}
    edits: list[Edit] = []
    while True:
        place = _BLANK.match(text, position).end()  # type: ignore[union-attr]
        opener = patterns.opener.match(text, place)
        if opener is None:
            break
        key = opener["key"].strip()
        if key in arguments:
            raise UnreadableError("a parameter appears twice", where="/" + key, reached=opener.end())
        free = declared - arguments.keys() - {key}
        value_end, position = _ends(source, opener.end(), patterns, free=free)
        if value_end == position:
            edits.append(Edit("missing closing tag", "/" + key))
        arguments[key] = _typed(text[opener.end() : value_end], opener, markup)
    closer = patterns.call_closer.match(text, place)
    if closer is None:
        is_open = place >= len(text)
        rule = "the call is not closed" if is_open else "a parameter belongs here"
        raise UnreadableError(rule, value=text[place : place + 24], reached=place, is_open=is_open)
    return arguments, edits, closer.end()


def _ends(source: Source, start: int, patterns: _Patterns, *, free: frozenset[str]) -> tuple[int, int]:
    """Return where the value from `start` ends, and where reading goes on; both same for no closing tag.

    A tag in front of the value's own end belongs to the value, unless it opens another parameter that
    the tool declares, on a line of its own, or ends the call. At the end of the text a value that could
    hold such a tag itself may have been cut.
    """
    end = source.search(patterns.end, start)
    tag = source.search(patterns.next_tag, start)
    limit = len(source.text) if end is None else end.start()
    while tag is not None and tag.start() < limit and tag["tag"] and tag["key"].strip() not in free:
        tag = source.search(patterns.next_tag, tag.end())
    if end is not None and (tag is None or end.start() <= tag.start()):
        return end.start(), end.end()
    if tag is None or (tag["last"] is not None and _MARKED.search(source.text, start, tag.start())):
        raise UnreadableError("a parameter is open at the end", reached=len(source.text), is_open=True)
    return tag.start(), tag.start()


def _typed(raw: str, opener: re.Match[str], markup: Markup) -> Any:
    if markup.is_framed:
        raw = raw.removeprefix("\n").removesuffix("\n")
    if not markup.text_kinds:
        return RawText(raw)
    if opener["kind"] in markup.text_kinds:
        return raw
    read = read_value(raw)
    if raw[read.end :].strip() or read.edits:
        raise UnreadableError(
            "a value is not of the type that its tag says", value=raw[:24], reached=opener.end()
        )
    return read.value
