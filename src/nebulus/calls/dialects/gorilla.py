"""Gorilla OpenFunctions: calls as in Python, each behind `<<function>>`.

Source: ShishirPatil/gorilla, openfunctions/README.md (v2).
"""

from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.invocation import invocation_block

OPENER = "<<function>>"


def take(source: Source, start: int, body: int) -> Block:
    """Take the call behind its opener."""
    return invocation_block(source, start, body, dialect="gorilla", closers=())


DIALECT = Dialect(name="gorilla", openers=(OPENER,), take=take)
