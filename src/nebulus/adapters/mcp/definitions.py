"""What a server says about its tools, and what becomes of it: a specification that is pinned by a digest.

Invariants: a definition has one digest over all that the server says about the tool; text of a server is bounded and
can't pass for a control token; the effect comes from the settings, else the worst is assumed.
"""

import itertools
import re
from typing import Any

from msgspec import Struct, field

from nebulus.adapters.mcp.schemas import SchemaProblem, parameters_of
from nebulus.adapters.mcp.settings import McpServerSettings, McpToolSettings
from nebulus.core.digest import digest, short_digest
from nebulus.core.prompt import harmless
from nebulus.core.text import clean
from nebulus.core.tools import Effect, ToolSpec

DESCRIPTION_CHARS = 300
"""The most of a description that a model is shown: what a tool is for fits, a manual does not."""
NAME_CHARS = 64
"""Source: the function names that the OpenAI chat completions API takes."""


class Hints(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a server says about the effects of a tool: claims, unless the user trusts the server."""

    reads_only: bool | None = None
    is_destructive: bool | None = None
    is_idempotent: bool | None = None
    reaches_out: bool | None = None


class Definition(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tool as its server defines it."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    returns: dict[str, Any] = field(default_factory=dict)
    hints: Hints = Hints()

    @property
    def digest(self) -> str:
        """The SHA-256 of all of it."""
        return digest(self)


class Unusable(Struct, frozen=True):
    """A tool that can't be offered, and why."""

    name: str
    why: str


def spec_of(definition: Definition, server_name: str, server: McpServerSettings) -> ToolSpec | Unusable:
    """Return the tool as models, parser and guard see it, or why it can't be offered."""
    parameters = parameters_of(definition.parameters)
    if isinstance(parameters, SchemaProblem):
        return Unusable(definition.name, parameters.why)
    said = server.tools.get(definition.name)
    known = tuple(parameters["properties"])
    named = said or McpToolSettings()
    for key in ("paths", "hosts", "consequential"):
        for argument in getattr(named, key):
            if argument not in known:
                where = f"mcp.{server_name}.tools.{definition.name}.{key}"
                return Unusable(
                    definition.name, f"{where} names {argument!r}; its parameters are {list(known)}"
                )
    hints = definition.hints if server.trusts_annotations else Hints()
    return ToolSpec(
        name=tool_name(server_name, definition.name),
        description=shown_text(definition.description) or f"The tool {definition.name} of {server_name}.",
        parameters=parameters,
        effect=said.effect if said else effect_of(hints),
        is_idempotent=hints.is_idempotent is True,
        is_untrusted=named.is_untrusted,
        timeout_s=server.timeout_s,
        paths=named.paths,
        hosts=named.hosts,
        consequential=named.consequential,
    )


def effect_of(hints: Hints) -> Effect:
    """Return the effect that trusted hints mean; where they are silent, it can't be undone.

    Source: MCP 2026-07-28, ToolAnnotations. `openWorldHint` counts only if the server says it: its default is true.
    """
    if hints.reaches_out is True:
        return Effect.EGRESS
    if hints.reads_only is True:
        return Effect.READ
    return Effect.WRITE if hints.is_destructive is False else Effect.IRREVERSIBLE


def tool_name(server_name: str, name: str) -> str:
    """Return the name of a server's tool here: the server's name comes first, so that no two are mistaken."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    prefix = server_name.replace("-", "_") + "_"
    whole = plain if plain.startswith(prefix) else prefix + plain
    if len(whole) <= NAME_CHARS:
        return whole
    return f"{whole[: NAME_CHARS - 9]}_{short_digest(whole)[:8]}"


def shown_text(text: str) -> str:
    """Return a text of a server as a model is shown it: its first paragraph, on one line, bounded, without markers."""
    first = itertools.takewhile(str.strip, text.strip().split("\n"))
    line = " ".join(clean("\n".join(first)).split())
    line = "".join(character for character in line if character.isprintable())
    return harmless(line if len(line) <= DESCRIPTION_CHARS else f"{line[:DESCRIPTION_CHARS]}…")
