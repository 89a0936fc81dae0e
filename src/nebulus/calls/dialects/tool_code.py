"""Gemma 3's `tool_code` fence: calls as in Python, often printed.

Source: "Function calling with Gemma", ai.google.dev/gemma/docs/capabilities/function-calling.
"""

import re

from nebulus.calls.bodies import json_block
from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.invocation import invocation_block, starts_list

_FENCE = ("```",)
_BLANK = re.compile(r"\s*+")


def take(source: Source, start: int, body: int) -> Block:
    """Take the calls between the fence and its end."""
    place = _BLANK.match(source.text, body).end()  # type: ignore[union-attr]
    if source.text.startswith(("{", "["), place) and not starts_list(source.text, place):
        return json_block(source, start, body, dialect="tool_code", closers=_FENCE)
    return invocation_block(source, start, body, dialect="tool_code", closers=_FENCE)


DIALECT = Dialect(name="tool_code", openers=("```tool_code", "```tool_call", "```tool_calls"), take=take)
