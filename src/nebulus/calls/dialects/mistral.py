"""Mistral: `[TOOL_CALLS]` before a JSON list, or before `name[ARGS]{…}`; also where the marker was lost.

Source: mistral-common, tokens/tokenizers (v3 and v11 onwards); vLLM's mistral_tool_parser.
"""

import re

from nebulus.calls.bodies import json_arguments_block, json_block, name_before
from nebulus.calls.dialect import Block, Dialect, Source

MARKER = "[TOOL_CALLS]"
_NAMED = re.compile(
    r"\s*+([\w.\-:/]{1,160})\s*+(?:\[CALL_ID\]\s*+\w{1,64}\s*+)?(?:\[ARGS\])?\s*+(?=[{\"]|\Z|\[TOOL_CALLS\])"
)
_CALL_ID = re.compile(r"\[CALL_ID\]\w{1,64}\Z")


def take(source: Source, start: int, body: int) -> Block:
    """Take the calls behind the marker."""
    if (named := _NAMED.match(source.text, body)) is not None:
        return json_arguments_block(source, start, named.end(), name=named[1], dialect="mistral", closers=())
    return json_block(source, start, body, dialect="mistral", closers=())


def take_unmarked(source: Source, start: int, body: int) -> Block | None:
    """Take the call whose `[ARGS]` is at `start` and whose name is before it."""
    call_id = _CALL_ID.search(source.text, max(start - 80, 0), start)
    name, begin = name_before(source, call_id.start() if call_id else start)
    if not name:
        return None
    return json_arguments_block(source, begin, body, name=name, dialect="mistral", closers=())


DIALECT = Dialect(name="mistral", openers=(MARKER,), take=take)
UNMARKED = Dialect(name="mistral", openers=("[ARGS]",), take=take_unmarked)
