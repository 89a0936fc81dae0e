"""Functionary: messages with a recipient, a tool or `all`, and their content behind it.

Version 3 writes `>>>name`, a new line and the content; its prompt ends in `>>>`, so that the first is missing.

Source: MeetKai/functionary, functionary/prompt_template (prompt_template_v2.py, llama3_prompt_template_v3.py).
"""

import re

from msgspec.structs import replace

from nebulus.calls.bodies import json_arguments_block, named_arguments
from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.literal import UnreadableError

_HEAD = re.compile(r"\s*+([\w.\-]{1,160})\s*+<\|content\|>")
_ENDS = ("<|stop|>", "<|from|>")
_NAMED = re.compile(r"\s*+([\w.\-]{1,160})[ \t]*+\n")
NEXT = ">>>"
EVERYBODY = "all"


def take(source: Source, start: int, body: int) -> Block | None:
    """Take the message whose recipient is at `body`: a call, or words for everybody."""
    head = _HEAD.match(source.text, body)
    if head is None:
        return None
    if head[1] != EVERYBODY:
        return json_arguments_block(
            source, start, head.end(), name=head[1], dialect="functionary", closers=("<|stop|>",)
        )
    return _words(source, start, head.end(), ends=_ENDS)


def take_next(source: Source, start: int, body: int) -> Block | None:
    """Take the message whose recipient is behind `>>>`, with the one before it that lacks its `>>>`."""
    head = _NAMED.match(source.text, body)
    if head is None:
        return None
    if head[1] == EVERYBODY:
        return _words(source, start, head.end(), ends=(NEXT,))
    if not source.text.startswith("{", head.end()):
        return None
    block = json_arguments_block(
        source, start, head.end(), name=head[1], dialect="functionary", closers=("<|eot_id|>",)
    )
    if block.problem is not None or not (head := _first(source, start)):
        return block
    try:
        first, reached = named_arguments(source, head[1], head.end())
    except UnreadableError as problem:
        return replace(block, start=0, candidates=(), problem=problem)
    if source.text[reached:start].strip():
        return block
    return replace(block, start=0, candidates=(first, *block.candidates))


def _words(source: Source, start: int, body: int, *, ends: tuple[str, ...]) -> Block:
    end = min(source.find(mark, body) for mark in ends)
    words = source.text[body:end]
    return Block(start=start, end=end, dialect="functionary", is_message=True, words=words)


def _first(source: Source, end: int) -> re.Match[str] | None:
    """Return the name with which the text begins, if arguments follow it before `end`."""
    head = _NAMED.match(source.text, 0, end) if not source.taken else None
    return head if head and source.text.startswith("{", head.end(), end) else None


DIALECT = Dialect(
    name="functionary", openers=("<|recipient|>",), take=take, noise=("<|from|>assistant", "<|stop|>")
)
VERSION_3 = Dialect(name="functionary", openers=(NEXT,), take=take_next)
