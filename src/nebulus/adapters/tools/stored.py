"""The tool that looks inside stored results."""

from typing import Annotated

from msgspec import Meta

from nebulus.adapters.tools.function import tool
from nebulus.core.errors import StoreError, ToolError
from nebulus.core.failure import FailureKind
from nebulus.core.tools import Effect
from nebulus.memory.look import Look, LookError, look
from nebulus.ports.tool import Tool
from nebulus.ports.world import ArtifactStore

FromOne = Annotated[int, Meta(ge=1)]
Lines = Annotated[int, Meta(ge=1, le=200)]


class Stored:
    """The stored results of a run."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def look_inside(
        self,
        handle: str,
        *,
        find: str = "",
        json_path: str = "",
        start_line: FromOne = 1,
        line_count: Lines = 40,
        from_end: bool = False,
    ) -> str:
        """Look inside a stored result that was too long to show. Shows some lines.

        Args:
            handle: The handle of the stored result, as listed under Stored.
            find: Show only lines that hold this text, literally.
            json_path: Where in JSON to look, such as items[0].name.
            start_line: The first line to show, from 1.
            line_count: The most lines to show.
            from_end: Whether to take the last lines instead of the first.
        """
        try:
            text = self._store.get(handle)
        except StoreError as error:
            raise ToolError(
                "no stored result has this handle",
                kind=FailureKind.NOT_FOUND,
                value=handle[:80],
                fix="copy a handle that is listed under Stored",
            ) from error
        wanted = Look(
            find=find, json_path=json_path, start_line=start_line, line_count=line_count, from_end=from_end
        )
        try:
            return look(text, wanted)
        except LookError as error:
            raise ToolError(str(error), kind=FailureKind.INVALID_ARGUMENTS) from error


def looking_tool(store: ArtifactStore) -> Tool:
    """Return `look_inside` on `store`. What it shows is as far to be trusted as what was stored."""
    return tool(effect=Effect.READ, handles=("handle",))(Stored(store).look_inside)
