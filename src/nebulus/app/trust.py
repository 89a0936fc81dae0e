"""Which settings may govern a run, and whom they may contact.

Invariants: a settings file that a run could have written governs nothing until its user confirmed its digest; one in
a workspace starts no program of a tool server that its user has not confirmed, sends nothing to a host that its user has not confirmed, and the value of no variable to a host that has
not been confirmed for it. A host of this machine that gets no value needs no confirmation. The hub that
models are fetched from is not among these hosts: the user's environment names it, and it gets nothing of a run.
"""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from nebulus.adapters.mcp.settings import McpServerSettings
from nebulus.adapters.sandboxes.protection import mend
from nebulus.adapters.stores.location import is_server, origins_of
from nebulus.adapters.trust.ledger import Contact, TrustLedger
from nebulus.app.settings import FILE_NAME, Settings
from nebulus.core.digest import digest
from nebulus.core.errors import ConfigError

_PORTS = {"http": 80, "https": 443}


class FileInDoubt(Struct, frozen=True):
    """A settings file that a run could have written."""

    path: Path

    def sentence(self) -> str:
        """Return what is to be confirmed."""
        return f"{self.path} could have been written by a run of Nebulus, and nothing in it counts until you confirm it"


class ContactInDoubt(Struct, frozen=True):
    """A host that a settings file in a workspace names, and that nobody has confirmed."""

    path: Path
    contact: Contact

    def sentence(self) -> str:
        """Return what is to be confirmed."""
        sent = (
            f"the value of ${self.contact.variable}"
            if self.contact.variable
            else "what a run reads and writes"
        )
        return f"{self.path} sends {sent} to {self.contact.host}, which you have not confirmed"


class ProgramInDoubt(Struct, frozen=True):
    """A program of a tool server that a settings file in a workspace names, and that nobody has confirmed."""

    path: Path
    server: McpServerSettings

    def sentence(self) -> str:
        """Return what is to be confirmed."""
        given = "".join(f", with the value of ${name}" for name in self.server.variables)
        command = " ".join(self.server.command)
        return f"{self.path} starts `{command}` outside of the sandbox{given}, which you have not confirmed"

    @property
    def digest(self) -> str:
        """The digest of all that decides what is started."""
        server = self.server
        return digest([server.command, sorted(server.env.items()), sorted(server.secrets.items())])


Doubt = FileInDoubt | ContactInDoubt | ProgramInDoubt


def file_in_doubt(path: Path, ledger: TrustLedger) -> list[Doubt]:
    """Return the doubt about the settings file at `path`, if there is one, after killed runs were cleaned up.

    Raises:
        ConfigError: what is trusted can't be read.
    """
    mend(ledger.folder)
    return [FileInDoubt(path)] if path.exists() and ledger.could_be_planted(path) else []


def contacts_in_doubt(settings: Settings, path: Path, folder: Path, *, ledger: TrustLedger) -> list[Doubt]:
    """Return a doubt for each host or program that `settings`, read from `path` for work in `folder`, would use unasked.

    A file that is outside of `folder` and of every other workspace is its user's own word.

    Raises:
        ConfigError: what is trusted can't be read.
    """
    if not path.exists() or not _is_in_workspace(path, folder, ledger):
        return []
    known = ledger.load()
    wanted = dict.fromkeys(contacts_of(settings))
    programs = (ProgramInDoubt(path, server) for server in settings.mcp.values() if server.command)
    return [
        *(ContactInDoubt(path, contact) for contact in wanted if contact not in known.contacts),
        *(program for program in programs if program.digest not in known.programs),
    ]


def contacts_of(settings: Settings) -> Iterator[Contact]:
    """Return the hosts that `settings` contact, each with the variable whose value it gets, if one.

    Left out is this machine where it gets no value.
    """
    for tier in settings.tiers.values():
        backend = tier.backend()
        if backend.url and (tier.api_key_env or not _is_this_machine(backend.url)):
            yield Contact(_origin(backend.url), tier.api_key_env)
    for server in settings.mcp.values():
        if server.url and (server.variables or not _is_this_machine(server.url)):
            yield from (Contact(_origin(server.url), variable) for variable in server.variables or ("",))
    if is_server(settings.engine.url):
        yield from map(Contact, origins_of(settings.engine.url))
    collector = settings.telemetry
    if collector.endpoint and (collector.headers_env or not _is_this_machine(collector.endpoint)):
        yield Contact(_origin(collector.endpoint), collector.headers_env)


def trust(doubts: list[Doubt], ledger: TrustLedger) -> None:
    """Remember that the user has confirmed `doubts`.

    Raises:
        ConfigError: it can't be remembered.
    """
    for doubt in doubts:
        match doubt:
            case FileInDoubt(path):
                ledger.remember_file(path)
            case ContactInDoubt(_, contact):
                ledger.trust_contact(contact)
            case ProgramInDoubt() as program:
                ledger.trust_program(program.digest)


def protect_from_now_on(path: Path, folder: Path, ledger: TrustLedger) -> None:
    """Protect a settings file that governs, in every run that begins from now on.

    The usual file of a workspace is protected by its name in that workspace, so that nothing is lost where this
    can't be remembered.

    Raises:
        ConfigError: it can't be remembered, and the file needs it.
    """
    if not path.exists() or not _is_in_workspace(path, folder, ledger):
        return
    try:
        ledger.remember_file(path)
    except ConfigError:
        if path.name != FILE_NAME or path.parent.resolve() != folder.resolve():
            raise


def _is_in_workspace(path: Path, folder: Path, ledger: TrustLedger) -> bool:
    real = path.resolve()
    roots = (folder.resolve(), *map(Path, ledger.load().workspaces))
    return any(root in real.parents for root in roots)


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _origin(url: str) -> str:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{url!r} has no port that can be", fix="correct it") from error
    return f"{parts.scheme}://{parts.hostname}:{port or _PORTS.get(parts.scheme, 0)}"
