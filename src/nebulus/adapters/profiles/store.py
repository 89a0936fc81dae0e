"""Profiles as files in one folder: found by the name of the model, replaced as a whole, never half written."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from nebulus.adapters.trust.private import locked, make_private, user_state_folder, write_private
from nebulus.ceiling.profile import ModelIdentity, Profile, decode_profile, encode_profile
from nebulus.core.errors import ConfigError

FOLDER_VARIABLE = "NEBULUS_PROFILES"
"""Names another folder for profiles, for example one that a team shares."""
MOST_BYTES = 1 << 26
"""The largest profile that is read."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_ENDING = ".json"


class StoredProfile(Struct, frozen=True, kw_only=True):
    """A profile and the file that it is in; `problem` says why it can't be read."""

    path: Path
    profile: Profile | None = None
    problem: str = ""


def profiles_folder() -> Path:
    """Return the folder of the profiles: that of NEBULUS_PROFILES, else one in the user's state; it may not exist."""
    named = os.environ.get(FOLDER_VARIABLE, "")
    return Path(named) if named else user_state_folder() / "profiles"


class ProfileStore:
    """The profiles in `folder`."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or profiles_folder()

    def path(self, model: ModelIdentity) -> Path:
        """Return where the profile of `model` is: its name, and how it is asked where that is not the usual way."""
        parts = [model.name]
        parts += [model.tool_form] if model.tool_form != "auto" else []
        parts += [f"reasoning{model.reasoning_tokens}"] if model.reasoning_tokens else []
        return self.folder / (_UNSAFE.sub("-", "+".join(parts).replace("+", "--")).strip("-.") + _ENDING)

    def find(self, model: ModelIdentity) -> Profile | None:
        """Return the profile of `model`, stale or not; None if there is none.

        Raises:
            ConfigError: it can't be read.
        """
        path = self.path(model)
        return read_profile(path) if path.exists() else None

    @contextmanager
    def changing(self, model: ModelIdentity) -> Iterator[None]:
        """Let one process at a time read and replace profiles of this folder.

        Raises:
            ConfigError: the folder can't be written.
        """
        try:
            self._make_folder()
            with locked(self.folder):
                yield
        except OSError as error:
            raise ConfigError(self._unwritable(self.path(model), error)) from error

    def _make_folder(self) -> None:
        if self.folder.is_relative_to(user_state_folder()):
            make_private(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    @staticmethod
    def _unwritable(path: Path, error: OSError) -> str:
        return (
            f"the profile {path} can't be written: {error.strerror}; {FOLDER_VARIABLE} names another folder"
        )

    def write(self, profile: Profile) -> Path:
        """Replace the profile of a model as a whole, and return its path.

        Raises:
            ConfigError: it can't be written; what was there is still there.
        """
        path = self.path(profile.model)
        try:
            self._make_folder()
            write_private(path, encode_profile(profile))
        except OSError as error:
            raise ConfigError(self._unwritable(path, error)) from error
        return path

    def all(self) -> Iterator[StoredProfile]:
        """Yield every profile of the folder, by name; those that can't be read say why."""
        for path in sorted(self.folder.glob(f"*{_ENDING}")):
            try:
                yield StoredProfile(path=path, profile=read_profile(path))
            except ConfigError as error:
                yield StoredProfile(path=path, problem=str(error))


def read_profile(path: Path) -> Profile:
    """Return the profile in a file.

    Raises:
        ConfigError: it can't be read, or is not a profile of this version.
    """
    try:
        if not path.is_file():
            raise ConfigError(f"the profile {path} is not a file")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ConfigError(f"the profile {path} is larger than {MOST_BYTES} bytes; remove it")
        return decode_profile(data, str(path))
    except OSError as error:
        raise ConfigError(f"the profile {path} can't be read: {error.strerror}") from error
