"""What a user sets for an MCP server: how it is reached, what it is given, what its tools do to the world."""

import re
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from msgspec import Struct, field

from nebulus.core.tools import Effect

WORKSPACE = "{workspace}"
"""In a command, replaced by the folder of the run."""
Protocol: TypeAlias = Literal["auto", "handshake"]

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,19}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER = re.compile(r"[A-Za-z0-9-]+")


class McpToolSettings(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a tool of an MCP server does; the protocol says nothing about it that can be relied on."""

    effect: Effect = Effect.IRREVERSIBLE
    """What a call does to the world. Where nobody says it, it counts as irreversible."""
    fails_cleanly: bool = False
    """Whether an error that the tool reports means that nothing happened.

    Otherwise the outcome of a failed call that does not only read is unknown, and a person is asked.
    """
    is_untrusted: bool = True
    """Whether its results are text from outside: data, never instructions."""
    paths: tuple[str, ...] = ()
    """The arguments that are paths in the workspace; a call that leads outside of it is refused."""
    hosts: tuple[str, ...] = ()
    """The arguments that say where data goes."""
    consequential: tuple[str, ...] = ()
    """The arguments that decide what an effect does; all of them if none is named."""


class McpServerSettings(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A server of the Model Context Protocol, started as a program (`command`) or reached at a `url`.

    A program gets a small environment (PATH, HOME and the like), what `env` and `secrets` name, and nothing else; it
    works in a folder of its own. In `command`, `{workspace}` is replaced by the folder of the run.
    """

    command: tuple[str, ...] = ()
    """The program and its arguments."""
    url: str = ""
    """The address of a server that speaks streamable HTTP."""
    env: dict[str, str] = field(default_factory=dict)
    """Variables for the program, with their values."""
    secrets: dict[str, str] = field(default_factory=dict)
    """Variables for the program, or headers for the address, each with the name of your variable that has the value."""
    api_key_env: str = ""
    """Your variable whose value is sent as a bearer token; for an address."""
    allow: tuple[str, ...] = ()
    """The tools to offer, by the server's own names; all that were accepted if none is named."""
    trusts_annotations: bool = False
    """Whether what the server says about the effects of its tools is believed."""
    protocol: Protocol = "auto"
    """How a connection begins: by asking which protocol the server speaks, or at once by the handshake of older ones."""
    start_timeout_s: float = 30.0
    """How long the server may take until its tools are known."""
    timeout_s: float = 60.0
    """How long a call may take."""
    tools: dict[str, McpToolSettings] = field(default_factory=dict)
    """What single tools do, by the server's own names."""

    @property
    def address(self) -> str:
        """How the server is reached, as the user wrote it."""
        return self.url or " ".join(self.command)

    @property
    def variables(self) -> tuple[str, ...]:
        """The user's variables whose values the server gets."""
        return tuple(sorted({*self.secrets.values(), *filter(None, [self.api_key_env])}))


def complaint_about(name: str, server: McpServerSettings) -> tuple[str, str] | None:
    """Return what is wrong with the settings of a server, and what would be right; None if nothing is."""
    if not _NAME.fullmatch(name):
        return (
            f"mcp.{name} can't be the name of a server",
            "take up to 20 of a-z, 0-9, _ and -, a letter first",
        )
    wrong = _wrong_address(f"mcp.{name}", server)
    if wrong is not None:
        return wrong
    form = _HEADER if server.url else _VARIABLE
    for key in (*server.env, *server.secrets):
        if not form.fullmatch(key):
            return (
                f"mcp.{name}: {key!r} can't be the name of a {'header' if server.url else 'variable'}",
                "correct it",
            )
    for key in ("start_timeout_s", "timeout_s"):
        if not 0 < getattr(server, key) < float("inf"):
            return f"mcp.{name}.{key}={getattr(server, key)!r} is out of range", "write seconds above 0"
    return None


def _wrong_address(place: str, server: McpServerSettings) -> tuple[str, str] | None:
    """Return what is wrong with how a server is reached, and what would be right."""
    if bool(server.command) == bool(server.url):
        return f"{place} needs either command or url", 'such as command = ["mcp-server-time"]'
    if server.url and not re.match(r"https?://[^\s/]", server.url):
        return f"{place}.url={server.url!r} is not an address", "write https://HOST/PATH"
    if "@" in urlsplit(server.url).netloc:
        return (
            f"{place}.url contains a password",
            "name the variable that has it in api_key_env or secrets",
        )
    if server.url and server.env:
        return f"{place}.env is for a program", "name headers under secrets"
    if server.command and server.api_key_env:
        return f"{place}.api_key_env is for a url", "name the program's variable under secrets"
    return None
