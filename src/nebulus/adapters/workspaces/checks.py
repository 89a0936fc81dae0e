"""Evaluates checks in a workspace, changing nothing."""

import asyncio
from collections.abc import Callable, Mapping
from inspect import isawaitable
from typing import Any, TypeAlias

from nebulus.adapters.workspaces.copies import digest_at
from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.adapters.workspaces.tree import Tree
from nebulus.core.errors import ToolError
from nebulus.core.failure import Failure
from nebulus.core.plan import Check, EndsAs, FileContains, Named, PathAbsent, PathExists, ToolSucceeded
from nebulus.voting.ends import GONE

Predicate: TypeAlias = Callable[[Mapping[str, str]], Any]
"""Given the arguments of a `Named` check: "" if it passes, else why not; may be async."""

_CHUNK_BYTES = 1 << 20


class WorkspaceChecker:
    """Checks about files, where there is a workspace, and the application's own predicates by name."""

    def __init__(
        self, workspace: FolderWorkspace | None, named: Mapping[str, Predicate] | None = None
    ) -> None:
        self._workspace = workspace
        self._named = dict(named or {})

    async def failure_of(self, check: Check) -> str:
        """Return "" if `check` passes, else why it does not. What can't be looked at does not pass."""
        try:
            match check:
                case PathExists(path):
                    return "" if self._exists(path) else f"{path!r} does not exist"
                case PathAbsent(path):
                    return f"{path!r} exists" if self._exists(path) else ""
                case FileContains(path, text):
                    found = await asyncio.to_thread(self._contains, path, text.encode())
                    return "" if found else f"{path!r} does not contain {text!r}"
                case EndsAs(files=files):
                    return await asyncio.to_thread(self._differing, files)
                case Named(name, arguments):
                    return await self._ask(name, arguments)
                case ToolSucceeded(tool):
                    return f"whether {tool!r} succeeded is in the run's own record, not in the workspace"
        except ToolError as error:
            return error.failure.sentence()

    def _exists(self, path: str) -> bool:
        tree, canonical = self._reach(path)
        return tree.kind(canonical) != ""

    def _differing(self, files: Mapping[str, str]) -> str:
        """Return which file is not as in the tries, "" for none."""
        for path, digest in files.items():
            tree, canonical = self._reach(path)
            found = digest_at(tree, canonical) if tree.kind(canonical) else GONE
            if found != digest:
                return f"{path!r} is not as the tries left it"
        return ""

    def _contains(self, path: str, text: bytes) -> bool:
        tree, canonical = self._reach(path)
        with tree.reading(canonical) as file:
            window = b""
            while chunk := file.read(_CHUNK_BYTES):
                window += chunk
                if text in window:
                    return True
                window = window[len(window) - len(text) + 1 :] if len(text) > 1 else b""
        return not text

    async def _ask(self, name: str, arguments: Mapping[str, str]) -> str:
        predicate = self._named.get(name)
        if predicate is None:
            return f"no check is registered under {name!r}; known are {sorted(self._named)}"
        try:
            answer = predicate(arguments)
            if isawaitable(answer):
                answer = await answer
        except Exception as error:  # noqa: BLE001  # The application's code ends here; what it raised is the reason.
            return f"check {name!r} raised {type(error).__name__}: {error}"
        if not isinstance(answer, str):
            return f"check {name!r} returned {answer!r}, not text; return an empty string where it holds"
        return answer

    def _reach(self, path: str) -> tuple[Tree, str]:
        if self._workspace is None:
            raise ToolError("there is no workspace", value=path, fix="give the run a workspace")
        canonical = self._workspace.canonical(path)
        if isinstance(canonical, Failure):
            raise ToolError(canonical.what, kind=canonical.kind, value=canonical.value, fix=canonical.fix)
        return self._workspace.tree, canonical
