"""Reads what a model wrote: calls that are certainly meant and certainly valid, or one precise finding.

Invariants: an answer that hit its cap is never executed; only tools on offer exist; a repair loses nothing and
is recorded, or it does not happen; two readings that differ are a finding, never a choice.
"""

from nebulus.calls.acceptance import Needed, by_effect
from nebulus.calls.definitions import tool_spec, tool_specs
from nebulus.calls.lines import explain, read_line
from nebulus.calls.reader import read
from nebulus.calls.stream import StreamReader
from nebulus.calls.text import DEFAULT, ReaderProfile

__all__ = [
    "DEFAULT",
    "Needed",
    "ReaderProfile",
    "StreamReader",
    "by_effect",
    "explain",
    "read",
    "read_line",
    "tool_spec",
    "tool_specs",
]
