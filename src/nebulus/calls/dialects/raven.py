"""NexusRaven: `Call:` and calls as in Python, then, behind `<bot_end>`, why.

Source: Nexusflow/NexusRaven-V2-13B, model card, "Quick Start Prompting Guide".
"""

import re

from nebulus.calls.bodies import after
from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.invocation import invocation_block, starts_call

END = "<bot_end>"
_BLANK = re.compile(r"[ \t]*+")
_LINE_START = re.compile(r"(?:\A|\n)[ \t]*\Z")


def take(source: Source, start: int, body: int) -> Block | None:
    """Take the calls behind `Call:` at the start of a line; None where it is a word of a sentence."""
    place = after(_BLANK, source.text, body)
    if not _LINE_START.search(source.text, max(start - 40, 0), start) or not starts_call(source.text, place):
        return None
    return invocation_block(source, start, place, dialect="raven", closers=(END,))


DIALECT = Dialect(name="raven", openers=("Call:",), take=take, noise=(END,))
