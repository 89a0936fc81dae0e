"""Kimi K3: elements of control tokens, `<|open|>call tool="name"<|sep|> … <|close|>call<|sep|>`.

Source: the chat template of moonshotai/Kimi-K3.
"""

import re
from html import unescape

from msgspec.structs import replace

from nebulus.calls.candidate import Candidate
from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.markup import Markup, marked_block

_CALL = re.compile(r"<\|open\|>call tool=\"([^\"\n]{1,160})\"[^<\n]{0,80}<\|sep\|>")
MARKUP = Markup(
    opener=r"<\|open\|>argument key=\"(?P<key>[^\"\n]{1,160})\"\s*type=\"(?P<kind>\w{1,20})\"[^<\n]{0,80}<\|sep\|>",
    closer=r"<\|close\|>argument<\|sep\|>",
    call_closer=r"<\|close\|>call<\|sep\|>",
    behind_call=r"<\|(?:open|close)\|>",
    text_kinds=frozenset({"string"}),
)


def take(source: Source, start: int, body: int) -> Block | None:
    """Take the call element that begins at `start`."""
    match = _CALL.match(source.text, start)
    if match is None:
        return None
    block = marked_block(source, start, match.end(), name=unescape(match[1]), dialect="kimi", markup=MARKUP)
    return replace(block, candidates=tuple(map(_unescaped, block.candidates)))


def _unescaped(candidate: Candidate) -> Candidate:
    arguments = {unescape(key): value for key, value in candidate.arguments.items()}
    return replace(candidate, arguments=arguments)


DIALECT = Dialect(
    name="kimi",
    openers=("<|open|>call ",),
    take=take,
    noise=tuple(
        f"<|{verb}|>{word}<|sep|>" for verb in ("open", "close") for word in ("tools", "response", "message")
    ),
)
