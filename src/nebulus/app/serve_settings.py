"""What a user sets for the proxy: what the tools of its clients do to the world."""

from typing import Literal, TypeAlias

from msgspec import Struct, field

from nebulus.core.tools import Effect

History: TypeAlias = Literal["pass", "fold"]


class ClientTool(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A tool that clients of the proxy run; their protocols do not say what it does to the world."""

    effect: Effect = Effect.IRREVERSIBLE
    """What a call does. It decides on how much evidence a call is accepted, and which rules apply to it."""
    is_untrusted: bool = False
    """Whether its results are text from outside."""
    paths: tuple[str, ...] = ()
    """The arguments that are paths in the workspace; a call that leads outside of it is refused."""
    hosts: tuple[str, ...] = ()
    """The arguments that say where data goes."""


class ServeSettings(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The proxy. Tools that are not named here count as irreversible, with results that are trusted."""

    history: History = "pass"
    """What becomes of a client's history that does not fit: "pass" refuses it with both sizes, so that the client can
    compact it; "fold" shortens what is old."""
    tools: dict[str, ClientTool] = field(default_factory=dict)
