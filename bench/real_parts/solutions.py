"""Model solutions, carried out with the built-in tools: what the judges are tested on."""

from collections.abc import Callable, Iterable
from pathlib import Path

from bench.real_parts.goal import Act, Ended, Files, ProseGoal
from bench.real_parts.workspace import files_of, workspace_of
from nebulus.adapters.tools.builtin import builtin_tools
from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.core.failure import Failure


async def solved(goal: ProseGoal) -> Files:
    """Return the files after the goal's model solution.

    Raises:
        AssertionError: a call of the solution failed.
    """
    with workspace_of(goal.files) as root:
        await perform(goal.calls, root)
        return files_of(root)


async def perform(calls: Iterable[Act], root: Path, *, after_each: Callable[[], None] = lambda: None) -> None:
    """Carry out the calls of a model solution in a workspace.

    Raises:
        AssertionError: a call failed.
    """
    tools = {tool.spec.name: tool for tool in builtin_tools(FolderWorkspace(root), None)}
    for number, each in enumerate(calls):
        output = await tools[each.tool].run(dict(each.arguments), f"call-{number}")
        assert not isinstance(output, Failure), f"{each.tool}: {output.sentence()}"
        after_each()


def ended_well(goal: ProseGoal) -> Ended:
    """Return how a run that followed the model solution ends: done with its answer; a loud stop if nothing can be done."""
    if goal.is_impossible and goal.answer is None:
        return Ended(how="failed", failure="model.gave_up", text="it can't be done")
    return Ended(how="done", answer=goal.answer, proof="claimed", text="done")
