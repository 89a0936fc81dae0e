"""Functionary v2: messages with a recipient, a tool or `all`, and their content behind it.

Source: MeetKai/functionary, functionary/prompt_template/prompt_template_v2.py.
"""

import re

from nebulus.calls.bodies import json_arguments_block
from nebulus.calls.dialect import Block, Dialect, Source

_HEAD = re.compile(r"\s*+([\w.\-]{1,160})\s*+<\|content\|>")
_ENDS = ("<|stop|>", "<|from|>")
EVERYBODY = "all"


def take(source: Source, start: int, body: int) -> Block | None:
    """Take the message whose recipient stands at `body`: a call, or words for everybody."""
    head = _HEAD.match(source.text, body)
    if head is None:
        return None
    if head[1] != EVERYBODY:
        return json_arguments_block(
            source, start, head.end(), name=head[1], dialect="functionary", closers=("<|stop|>",)
        )
    end = min(source.find(mark, head.end()) for mark in _ENDS)
    words = source.text[head.end() : end]
    return Block(start=start, end=end, dialect="functionary", is_message=True, words=words)


DIALECT = Dialect(
    name="functionary", openers=("<|recipient|>",), take=take, noise=("<|from|>assistant", "<|stop|>")
)
