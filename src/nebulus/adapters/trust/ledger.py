"""What the user trusts: settings files by path and digest, and the hosts that a secret may be sent to.

Invariants: it is kept outside every workspace; a file that a run could have written is not trusted until its
digest was confirmed; a file that is trusted is protected in every run that begins afterwards.
"""

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from nebulus.adapters.trust.private import locked, make_private, user_state_folder, write_private
from nebulus.core.errors import ConfigError
from nebulus.core.unreadable import UNREADABLE

FILE_NAME = "trust.json"
_OWN_SETTINGS = "nebulus.toml"


class KnownFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A settings file that governed a run, or was confirmed.

    `is_exposed` says that it may have changed where it was not protected: its digest decides.
    """

    digest: str
    is_exposed: bool = False


class Contact(Struct, frozen=True, order=True):
    """A host (scheme, name and port) that may be contacted; with `variable`, that may get its value."""

    host: str
    variable: str = ""


class Trust(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is remembered. `workspaces` are the folders in which runs could write, with what governs them."""

    files: dict[str, KnownFile] = field(default_factory=dict)
    contacts: tuple[Contact, ...] = ()
    programs: tuple[str, ...] = ()
    """Command lines, by digest, that settings in a workspace may start outside of the sandbox."""
    workspaces: dict[str, tuple[str, ...]] = field(default_factory=dict)


_read = msgspec.json.Decoder(Trust)


class TrustLedger:
    """The file in `folder` (the user's state folder by default), made when something is first remembered."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or user_state_folder()

    def load(self) -> Trust:
        """Return what is remembered.

        Raises:
            ConfigError: the file can't be read; it is never taken for an empty one.
        """
        path = self.folder / FILE_NAME
        try:
            return _read.decode(path.read_bytes())
        except FileNotFoundError:
            return Trust()
        except (*UNREADABLE, OSError) as error:
            raise ConfigError(
                f"{path} can't be read, so nobody knows what you trust: {error}",
                fix="repair it, or move it away and confirm again",
            ) from error

    def could_be_planted(self, path: Path) -> bool:
        """Whether a run could have written the settings file at `path` since it was last trusted.

        A run could not where it never could write in a folder that contains the file; nor where the file was
        known before, since runs protect what is known; nor at the top of a workspace under the usual name, which
        every run in that workspace protects.
        """
        real, trust = Path(os.path.realpath(path)), self.load()
        known = trust.files.get(str(real))
        if known is not None:
            return known.is_exposed and known.digest != digest_of(path)
        return any(
            Path(root) in real.parents and not (real.name == _OWN_SETTINGS and real.parent == Path(root))
            for root in trust.workspaces
        )

    def remember_file(self, path: Path) -> None:
        """Trust the settings file at `path` as it is now, and protect it from now on.

        Raises:
            ConfigError: it can't be remembered.
        """
        real, digest = os.path.realpath(path), digest_of(path)
        known = KnownFile(digest=digest)
        if self.load().files.get(real) != known:
            self._change(lambda trust: replace(trust, files={**trust.files, real: known}))

    def expose(self, paths: Iterable[str]) -> None:
        """Note that files may have been changed by a run: from now on their digests decide.

        Raises:
            ConfigError: it can't be noted.
        """

        def exposed(trust: Trust) -> Trust:
            files = dict(trust.files)
            for path in paths:
                files[path] = replace(files.get(path, KnownFile(digest="")), is_exposed=True)
            return replace(trust, files=files)

        self._change(exposed)

    def trust_contact(self, contact: Contact) -> None:
        """Let `contact` be made from now on.

        Raises:
            ConfigError: it can't be remembered.
        """
        self._change(lambda trust: replace(trust, contacts=tuple(sorted({*trust.contacts, contact}))))

    def trust_program(self, digest: str) -> None:
        """Let the program with this digest be started from now on.

        Raises:
            ConfigError: it can't be remembered.
        """
        self._change(lambda trust: replace(trust, programs=tuple(sorted({*trust.programs, digest}))))

    def forget(self) -> None:
        """Forget hosts, programs, confirmed files and what governed once; where runs worked is kept: that is why one asks.

        Raises:
            ConfigError: it can't be forgotten.
        """

        def forgotten(trust: Trust) -> Trust:
            files = {path: KnownFile(digest="", is_exposed=True) for path in trust.files}
            return Trust(workspaces=dict.fromkeys(trust.workspaces, ()), files=files)

        self._change(forgotten)

    def remember_workspace(self, root: Path, governing: Iterable[str]) -> None:
        """Note that runs can write beneath `root` from now on, and what governs them there (absolute paths).

        Raises:
            ConfigError: it can't be noted.
        """
        trust = self.load()
        known = (path for path in trust.workspaces.get(str(root), ()) if os.path.lexists(path))
        paths = tuple(sorted({*known, *governing}))
        if trust.workspaces.get(str(root)) != paths:
            self._change(lambda trust: replace(trust, workspaces={**trust.workspaces, str(root): paths}))

    def _change(self, change: Callable[[Trust], Trust]) -> None:
        make_private(self.folder)
        try:
            with locked(self.folder):
                changed = change(self.load())
                write_private(self.folder / FILE_NAME, msgspec.json.format(msgspec.json.encode(changed)))
        except OSError as error:
            raise ConfigError(
                f"{self.folder / FILE_NAME} can't be written: {error.strerror}",
                fix="set XDG_STATE_HOME to a folder that you can write",
            ) from error


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, "" if it can't be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
