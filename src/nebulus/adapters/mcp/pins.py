"""Which definitions of tools the user has accepted, kept where no run can write.

Invariants: a definition counts as accepted only with the digest that was accepted; what was accepted belongs to one
way of reaching the server, so that another program under the same name begins with nothing.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from nebulus.adapters.mcp.definitions import Definition
from nebulus.adapters.mcp.settings import McpServerSettings
from nebulus.adapters.trust.private import locked, make_private, user_state_folder, write_private
from nebulus.core.digest import short_digest
from nebulus.core.errors import ConfigError
from nebulus.core.unreadable import UNREADABLE

FILE_NAME = "mcp.json"


class Pinned(Struct, frozen=True, kw_only=True):
    """All that is accepted: by the server's name and address, its tools by name."""

    servers: dict[str, dict[str, Definition]] = field(default_factory=dict)


class Difference(Struct, frozen=True, kw_only=True):
    """How what a server says now differs from what was accepted."""

    same: tuple[Definition, ...] = ()
    fresh: tuple[Definition, ...] = ()
    """Nobody has accepted these: they are not offered."""
    changed: tuple[tuple[Definition, Definition], ...] = ()
    """What was accepted, and what the server says now."""
    gone: tuple[str, ...] = ()
    is_first: bool = False
    """Whether nothing of this server was ever accepted."""


_read = msgspec.json.Decoder(Pinned)


class PinStore:
    """The file in `folder` (the user's state folder by default), made when something is first accepted."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or user_state_folder()

    def difference(self, name: str, server: McpServerSettings, found: Sequence[Definition]) -> Difference:
        """Compare what a server says with what was accepted.

        Raises:
            ConfigError: what was accepted can't be read; it is never taken for nothing.
        """
        known = self._load().servers.get(_key(name, server))
        if known is None:
            return Difference(fresh=tuple(found), is_first=True)
        names = {one.name for one in found}
        shared = [(known[one.name], one) for one in found if one.name in known]
        return Difference(
            same=tuple(new for old, new in shared if old.digest == new.digest),
            fresh=tuple(one for one in found if one.name not in known),
            changed=tuple((old, new) for old, new in shared if old.digest != new.digest),
            gone=tuple(old for old in known if old not in names),
        )

    def accepted(self, name: str, server: McpServerSettings) -> tuple[Definition, ...] | None:
        """Return the definitions that were accepted; None if nothing of this server ever was.

        Raises:
            ConfigError: as `difference`.
        """
        known = self._load().servers.get(_key(name, server))
        return None if known is None else tuple(known.values())

    def accept(self, name: str, server: McpServerSettings, found: Sequence[Definition]) -> None:
        """Accept what a server says now, in place of what was accepted before.

        Raises:
            ConfigError: it can't be kept.
        """
        make_private(self.folder)
        try:
            with locked(self.folder):
                pinned = self._load()
                servers = {**pinned.servers, _key(name, server): {one.name: one for one in found}}
                content = msgspec.json.encode(replace(pinned, servers=servers))
                write_private(self.folder / FILE_NAME, msgspec.json.format(content))
        except OSError as error:
            raise ConfigError(
                f"{self.folder / FILE_NAME} can't be written: {error.strerror}",
                fix="set XDG_STATE_HOME to a folder that you can write",
            ) from error

    def _load(self) -> Pinned:
        path = self.folder / FILE_NAME
        try:
            return _read.decode(path.read_bytes())
        except FileNotFoundError:
            return Pinned()
        except (OSError, *UNREADABLE) as error:
            raise ConfigError(
                f"{path} can't be read, so nobody knows which tools you accepted: {error}",
                fix="repair it, or move it away and accept them again",
            ) from error


def _key(name: str, server: McpServerSettings) -> str:
    """Return the name under which tools are kept: all that decides what is started is part of it."""
    given = [sorted(server.env.items()), sorted(server.secrets.items()), server.api_key_env]
    return f"{name} {server.address}" + (f" {short_digest(given)}" if any(given) else "")
