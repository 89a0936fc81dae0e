"""From a call as it was spelled to a valid call of a tool on offer, or the finding that says why not."""

from collections.abc import Mapping
from typing import Any

from nebulus.calls.arrange import arranged
from nebulus.calls.candidate import Candidate
from nebulus.calls.coerce import typed
from nebulus.calls.findings import unknown_tool, unreadable
from nebulus.calls.grounding import ungrounded
from nebulus.calls.literal import UnreadableError
from nebulus.calls.names import resolve
from nebulus.calls.validate import check
from nebulus.core.findings import Call, Edit, Finding
from nebulus.core.references import ANY_REFERENCE, references_in, with_schemas
from nebulus.core.tools import ToolSpec


def settle(
    candidate: Candidate, offered: Mapping[str, ToolSpec], *, shown: str
) -> tuple[Call, tuple[Edit, ...]] | Finding:
    """Return the call that `candidate` means, with the edits it took, or the finding that refuses it.

    Raises:
        ToolDefinitionError: the tool's schema can't be compiled.
    """
    tool, renamed = resolve(candidate.name, offered)
    if tool is None:
        return unknown_tool(candidate.name, list(offered))
    try:
        arguments, arranging = arranged(candidate, tool)
    except UnreadableError as problem:
        return unreadable(problem, tool=tool.name)
    arguments = typed(arguments, tool)
    given = references_in(tool, arguments)
    as_given = with_schemas(tool, dict.fromkeys(given, ANY_REFERENCE))
    checked = check(as_given, arguments)
    if checked.finding is not None:
        return checked.finding
    if shown and (finding := ungrounded(tool, _written(checked.arguments, given), shown)):
        return finding
    return Call(tool.name, checked.arguments), (*candidate.edits, *renamed, *arranging, *checked.edits)


def _written(arguments: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the model wrote itself: what a reference is replaced by was not written by it."""
    return {name: value for name, value in arguments.items() if name not in given}
