"""NexusRaven: `Call:` and calls as in Python at the front of an answer, then, behind `<bot_end>`, why.

Source: Nexusflow/NexusRaven-V2-13B, model card, "Quick Start Prompting Guide".
"""

import re

from nebulus.calls.bodies import after
from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.invocation import invocation_block, starts_call

END = "<bot_end>"
_BLANK = re.compile(r"\s*+")


def take(source: Source, start: int, body: int) -> Block | None:
    """Take the calls behind `Call:`; None where it is but a word of a sentence."""
    place = after(_BLANK, source.text, body)
    if source.text[:start].strip() or not starts_call(source.text, place):
        return None
    block = invocation_block(source, start, place, dialect="raven", closers=(END,))
    is_whole = source.text.startswith(END, block.end - len(END)) or not source.text[block.end :].strip()
    return block if is_whole or block.problem else None


DIALECT = Dialect(name="raven", openers=("Call:",), take=take, noise=(END,))
