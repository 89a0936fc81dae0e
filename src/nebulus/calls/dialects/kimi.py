"""Kimi K2: the name is in the call's id, `functions.name:0`; also where the first token was lost.

Source: moonshotai/Kimi-K2-Instruct, docs/tool_call_guidance.md.
"""

import re

from nebulus.calls.bodies import json_arguments_block, name_before
from nebulus.calls.dialect import Block, Dialect, Source

CALL = "<|tool_call_begin|>"
ARGUMENTS = "<|tool_call_argument_begin|>"
END = "<|tool_call_end|>"
_ID = r"(?:functions\.)?([\w.\-/]{1,160}?)(?::\d{1,6})?\s*"
_HEAD = re.compile(rf"\s*+{_ID}{re.escape(ARGUMENTS)}")


def take(source: Source, start: int, body: int) -> Block | None:
    """Take the call behind its token."""
    head = _HEAD.match(source.text, body)
    return _taken(source, start, head.end(), name=head[1]) if head else None


def take_unmarked(source: Source, start: int, body: int) -> Block | None:
    """Take the call whose arguments begin at `body` and whose id is before its token."""
    name, begin = name_before(source, start)
    return _taken(source, begin, body, name=name) if name else None


def _taken(source: Source, start: int, position: int, *, name: str) -> Block:
    return json_arguments_block(source, start, position, name=name, dialect="kimi", closers=(END,))


DIALECT = Dialect(
    name="kimi",
    openers=(CALL,),
    take=take,
    noise=("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
)
UNMARKED = Dialect(name="kimi", openers=(ARGUMENTS,), take=take_unmarked)
