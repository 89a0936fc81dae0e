"""Handles: the names by which a model refers to stored results, and how code resolves them."""

from collections.abc import Sequence
from typing import Any

from nebulus.core.provenance import Provenance
from nebulus.core.state import Artifact
from nebulus.core.tools import ToolSpec


def addressed(arguments: dict[str, Any], spec: ToolSpec, artifacts: Sequence[Artifact]) -> dict[str, Any]:
    """Return `arguments` with each known handle replaced by its content address; others stay, for the tool to refuse."""
    if not spec.handles:
        return arguments
    known = {item.handle: item.content for item in artifacts}
    return {
        name: known.get(value, value) if name in spec.handles and isinstance(value, str) else value
        for name, value in arguments.items()
    }


def labels_of(
    arguments: dict[str, Any], spec: ToolSpec, artifacts: Sequence[Artifact]
) -> tuple[Provenance, ...]:
    """Return the provenance of the stored results that `arguments` name: what is read from them is not more trusted."""
    named = [arguments.get(name) for name in spec.handles]
    return tuple(item.provenance for item in artifacts if item.handle in named)
