"""DeepSeek V3 and V3.1: a name and its JSON between special tokens; V3.2 writes DSML, see `invoke`.

Source: the chat templates of deepseek-ai/DeepSeek-V3 and DeepSeek-V3.1.
"""

import re

from nebulus.calls.bodies import json_arguments_block
from nebulus.calls.dialect import Block, Dialect, Source

CALL = "<｜tool▁call▁begin｜>"
END = "<｜tool▁call▁end｜>"
_HEAD = re.compile(
    r"\s*+(?:function\s*+<｜tool▁sep｜>)?\s*+([\w.\-:/]{1,160})\s*+(?:<｜tool▁sep｜>)?\s*+(?:```json)?"
)


def take(source: Source, start: int, body: int) -> Block | None:
    """Take the call behind its token."""
    head = _HEAD.match(source.text, body)
    if head is None:
        return None
    return json_arguments_block(source, start, head.end(), name=head[1], dialect="deepseek", closers=(END,))


DIALECT = Dialect(
    name="deepseek",
    openers=(CALL,),
    take=take,
    noise=("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜end▁of▁sentence｜>"),
)
