"""ReAct: a thought, an action and its input, each on a line of its own.

Source: Yao et al. 2022, arXiv 2210.03629; the prompts of LangChain's ReAct agents.
"""

import re

from nebulus.calls.bodies import named_arguments
from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.invocation import invocations
from nebulus.calls.literal import UnreadableError
from nebulus.calls.unmarked import is_offered

_ACTION = re.compile(
    r"[ \t*]*+([^\s*][^\n]{0,159})\n\s*+(?:[ \t*]*+Action[ _]Input[ \t*]*:)[ \t*]*", re.IGNORECASE
)
_CALL = re.compile(r"[ \t*`]*+([A-Za-z_][\w.\-]{0,159})\(")
_BEFORE = re.compile(r"(?:\A|\n)[ \t*]*\Z")
_NEXT = re.compile(r"\n[ \t*]*+(Action|Observation)[ \t*]*:")
_CLOSERS = re.compile(r"[ \t*`]*+(?=\n|\Z)")


def take(source: Source, start: int, body: int) -> Block | None:
    """Take the action at `body`: a tool on offer with its input, or a call as in Python."""
    if not _BEFORE.search(source.text, max(start - 40, 0), start):
        return None
    named, call = _ACTION.match(source.text, body), _CALL.match(source.text, body)
    name = named[1].strip().strip("`'\"[]*") if named else call[1] if call else ""
    if not (named and source.text.startswith("{", named.end())) and not is_offered(name, source.offered):
        return None
    try:
        if named:
            candidate, end = named_arguments(source, name, named.end())
            found = [candidate]
        else:
            assert call is not None
            found, end = invocations(source.text, call.start(1))
            end = _end_of_line(source.text, end)
    except UnreadableError as problem:
        return Block(start=start, end=len(source.text), dialect="react", problem=problem)
    following = _NEXT.search(source.text, end)
    if following and following[1] == "Action":
        twice = UnreadableError("more than one action is in one answer", reached=end)
        return Block(start=start, end=len(source.text), dialect="react", problem=twice)
    return Block(start=start, end=end, dialect="react", candidates=tuple(found))


def _end_of_line(text: str, end: int) -> int:
    while text[end - 1].isspace():
        end -= 1
    closers = _CLOSERS.match(text, end)
    return closers.end() if closers else end


DIALECT = Dialect(name="react", openers=("Action:",), take=take)
