"""From a call as it was spelled to a valid call of a tool on offer, or the finding that says why not."""

from collections.abc import Mapping

from nebulus.calls.candidate import Candidate, arguments_of
from nebulus.calls.coerce import typed
from nebulus.calls.findings import unknown_tool, unreadable
from nebulus.calls.grounding import ungrounded
from nebulus.calls.invocation import unwrapped
from nebulus.calls.literal import UnreadableError
from nebulus.calls.names import resolve
from nebulus.calls.schema import property_names, required_names
from nebulus.calls.validate import check
from nebulus.core.findings import Call, Edit, Finding
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
        arguments, decoded = _arguments(candidate, tool)
    except UnreadableError as problem:
        return unreadable(problem, tool=tool.name)
    arguments, unwrapping = unwrapped(arguments, property_names(tool))
    checked = check(tool, typed(arguments, tool))
    if checked.finding is not None:
        return checked.finding
    if shown and (finding := ungrounded(tool, checked.arguments, shown)):
        return finding
    edits = (*candidate.edits, *renamed, *decoded, *unwrapping, *checked.edits)
    return Call(tool.name, checked.arguments), edits


def _arguments(candidate: Candidate, tool: ToolSpec) -> tuple[dict[str, object], tuple[Edit, ...]]:
    """Return the arguments of a call; one value without a name goes to the one parameter it can be.

    Raises:
        UnreadableError: it could be more than one.
    """
    if not candidate.is_positional:
        return arguments_of(candidate.arguments)
    declared, required = property_names(tool), required_names(tool)
    only = declared if len(declared) == 1 else required if len(required) == 1 else ()
    if not only:
        raise UnreadableError(
            "a value has no name, and more than one argument could be meant",
            value=str(candidate.arguments)[:40],
        )
    return {only[0]: candidate.arguments}, (Edit("value named by the only parameter", "/" + only[0]),)
