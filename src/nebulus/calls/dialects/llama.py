"""Llama 3.x behind `<|python_tag|>`, Llama 4, LFM2 and MiniCPM between their tokens: JSON, or calls as in Python.

Sources: Llama 3.1, 3.2 and 4 model cards, "Prompt format"; the chat templates of LiquidAI/LFM2 and of
openbmb/MiniCPM3-4B (whose calls are in a code block between the tokens).
"""

import re

from nebulus.calls.bodies import json_block
from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.invocation import invocation_block, starts_call, starts_list

CLOSERS = ("<|python_end|>", "<|eom_id|>", "<|eot_id|>", "<|tool_call_end|>")
_BEFORE = re.compile(r"\s*+(?:```python\s*+)?")


def take(source: Source, start: int, body: int) -> Block:
    """Take the calls behind the tag."""
    place = _BEFORE.match(source.text, body).end()  # type: ignore[union-attr]
    if starts_call(source.text, place) or starts_list(source.text, place):
        return invocation_block(source, start, place, dialect="llama", closers=CLOSERS)
    return json_block(source, start, place, dialect="llama", closers=CLOSERS)


DIALECT = Dialect(
    name="llama",
    openers=("<|python_tag|>", "<|python_start|>", "<|tool_call_start|>"),
    take=take,
    noise=CLOSERS,
)
