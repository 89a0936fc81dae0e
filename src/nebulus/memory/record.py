"""A tool's text as it is recorded: whole if it fits into a fact, else its beginning, its shape and its marks."""

from collections.abc import Mapping
from types import MappingProxyType

from nebulus.core.text import bounded
from nebulus.core.tools import ToolResult
from nebulus.memory.distil import FACT_VALUE_CHARS
from nebulus.memory.extract import query_of
from nebulus.memory.passages import passages_of
from nebulus.memory.structure import marks_of, shape_of

RECORDED_CHARS = 2000
"""How much is recorded of a text that is stored whole behind a handle: more than a prompt ever shows of it."""
NOTHING_READ: Mapping[str, str] = MappingProxyType({})


def needs_store(text: str) -> bool:
    """Whether `text` does not fit into a fact, so that all of it must be stored."""
    return len(text) > FACT_VALUE_CHARS


def stored_result(
    text: str, *, address: str, is_trusted: bool, reads: Mapping[str, str] = NOTHING_READ
) -> ToolResult:
    """Return the record of a text that is stored at `address`, with the passages that say most about `reads`."""
    return ToolResult(
        text=bounded(text, RECORDED_CHARS),
        artifact=address,
        size_bytes=len(text.encode()),
        is_trusted=is_trusted,
        shape=shape_of(text),
        marks=marks_of(text, first=reads),
        passages=passages_of(text, query_of(reads)) if reads and len(text) > RECORDED_CHARS else (),
    )
