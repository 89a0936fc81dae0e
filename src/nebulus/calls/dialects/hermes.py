"""Hermes and Qwen: JSON, or another family's body, between `<tool_call>` tags.

Source: NousResearch/Hermes-Function-Calling, README; the chat templates of Qwen2.5, Qwen3 and
LongCat-Flash.
"""

import re

from nebulus.calls.bodies import extended, json_block
from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.dialects import glm, invoke, qwen_xml
from nebulus.calls.invocation import invocation_block, starts_call, starts_list

OPENERS = (
    "<tool_call>",
    "<tool_calls>",
    "<tool-call>",
    "<function_call>",
    "<functioncall>",
    "<tools_call>",
    "<tool_use>",
    "<longcat_tool_call>",
)
CLOSERS = tuple(opener.replace("<", "</") for opener in OPENERS)

_BLANK = re.compile(r"\s*+")


def take(source: Source, start: int, body: int) -> Block:
    """Take the calls between the tags, in whichever family's form they are there."""
    text = source.text
    place = _BLANK.match(text, body).end()  # type: ignore[union-attr]
    if text.startswith(OPENERS, place):
        return Block(start=start, end=place)  # an opener in a closer's place, or written twice
    if block := qwen_xml.take_at(source, start, place) or invoke.take_at(source, start, place):
        return extended(source, block, CLOSERS)
    if starts_call(text, place) or starts_list(text, place):
        return invocation_block(source, start, place, dialect="hermes", closers=CLOSERS)
    if text.startswith(("{", "[", "`"), place) or place >= len(text):
        return json_block(source, start, place, dialect="hermes", closers=CLOSERS)
    return glm.take(source, start, place)


DIALECT = Dialect(name="hermes", openers=OPENERS, take=take, noise=CLOSERS)
