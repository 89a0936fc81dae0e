"""Llama 3.x behind `<|python_tag|>`, Llama 4 between its own tokens: JSON, or calls as in Python.

Source: Llama 3.1, 3.2 and 4 model cards, "Prompt format".
"""

import re

from nebulus.calls.bodies import json_block
from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.invocation import invocation_block, starts_call, starts_list

CLOSERS = ("<|python_end|>", "<|eom_id|>", "<|eot_id|>", "<|tool_call_end|>")
_BLANK = re.compile(r"\s*+")


def take(source: Source, start: int, body: int) -> Block:
    """Take the calls behind the tag."""
    place = _BLANK.match(source.text, body).end()  # type: ignore[union-attr]
    if starts_call(source.text, place) or starts_list(source.text, place):
        return invocation_block(source, start, place, dialect="llama", closers=CLOSERS)
    return json_block(source, start, place, dialect="llama", closers=CLOSERS)


DIALECT = Dialect(
    name="llama",
    openers=("<|python_tag|>", "<|python_start|>", "<|tool_call_start|>"),
    take=take,
    noise=CLOSERS,
)
