"""Qwen-coder's XML, and Llama 3.1's `<function=name>{…}</function>`.

Source: the chat template of Qwen3-Coder; Llama 3.1 model card, "User-defined custom tool calling".
"""

import re

from nebulus.calls.bodies import extended, json_arguments_block
from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.markup import Markup, marked_block

OPENER = re.compile(r"<function=\s*+[\"']?([\w.\-:/]{1,160})[\"']?\s*+>")
_JSON_AHEAD = re.compile(r"\s*+\{")
MARKUP = Markup(
    opener=r"<parameter=\s*(?P<key>[^>\n]{1,160})>",
    closer="</parameter>",
    call_closer="</function>",
    outer_closer=r"</tool_call>\s*(?:\Z|<tool_call>|<\|)",
    behind_call=r"</tool_call>|<tool_call>|<function=",
    is_framed=True,
)


def take(source: Source, start: int, body: int) -> Block | None:
    """Take the call whose `<function=` tag is at `start`, also where `<tool_call>` was lost before it."""
    block = take_at(source, start, start)
    return extended(source, block, ("</tool_call>",)) if block else None


def take_at(source: Source, start: int, place: int) -> Block | None:
    """Take the call whose `<function=` tag is at `place`, for a block that begins at `start`."""
    match = OPENER.match(source.text, place)
    if match is None:
        return None
    if _JSON_AHEAD.match(source.text, match.end()):
        closers = ("</function>",)
        return json_arguments_block(
            source, start, match.end(), name=match[1], dialect="llama", closers=closers
        )
    return marked_block(source, start, match.end(), name=match[1], dialect="qwen_xml", markup=MARKUP)


DIALECT = Dialect(name="qwen_xml", openers=("<function=",), take=take)
