"""Signatures of questions and answers, by a key that no run can reach.

Invariants: the key is outside of every workspace and readable for its user alone; what was altered, or was not written
with this key, is an error and never an answer.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from nebulus.adapters.trust.private import locked, make_private, user_state_folder, write_private
from nebulus.core.errors import ConfigError
from nebulus.core.unreadable import UNREADABLE

KEY_VARIABLE = "NEBULUS_APPROVAL_KEY"
"""Names the key where several machines answer the questions of one database: 64 hex digits."""
_FILE_NAME = "approval.key"
_KEY_BYTES = 32

Purpose: TypeAlias = Literal["question", "reply"]


class Sealed(Struct, frozen=True):
    """A text with its signature, as it is stored."""

    text: str
    mac: str


class ForgedError(ValueError):
    """A stored text was altered, or written by somebody without the key."""


class Signer:
    """Seals and opens texts with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, text: str, *, purpose: Purpose, digest: str) -> str:
        """Return `text` as it is to be stored for the question that `digest` names."""
        return msgspec.json.encode(Sealed(text, self._mac(text, purpose, digest))).decode()

    def open(self, stored: str, *, purpose: Purpose, digest: str) -> str:
        """Return the text that was sealed.

        Raises:
            ForgedError: it is not what was sealed with this key, for this purpose and question.
        """
        try:
            sealed = msgspec.json.decode(stored, type=Sealed)
        except UNREADABLE as error:
            raise ForgedError("it is not signed") from error
        if not hmac.compare_digest(sealed.mac, self._mac(sealed.text, purpose, digest)):
            raise ForgedError("its signature is not by this key")
        return sealed.text

    def _mac(self, text: str, purpose: Purpose, digest: str) -> str:
        said = msgspec.json.encode((purpose, digest, text))
        return hmac.new(self._key, said, hashlib.sha256).hexdigest()


def open_signer(folder: Path | None = None) -> Signer:
    """Return the signer with the key of the environment, else of `folder` (the user's state folder), made if need be.

    Raises:
        ConfigError: the key can't be read or made.
    """
    given = os.environ.get(KEY_VARIABLE, "")
    if given:
        return Signer(_key_of(given, f"the environment variable {KEY_VARIABLE}"))
    folder = make_private(folder or user_state_folder())
    path = folder / _FILE_NAME
    try:
        with locked(folder):
            if not path.exists():
                write_private(path, f"{secrets.token_hex(_KEY_BYTES)}\n".encode())
            text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the key of approvals can't be kept in {path}: {error}",
            fix="set XDG_STATE_HOME to a folder that you can write",
        ) from error
    return Signer(_key_of(text, str(path)))


def _key_of(text: str, place: str) -> bytes:
    """Return the key that a text writes.

    Raises:
        ConfigError: it is not one. The message does not show it.
    """
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) < _KEY_BYTES:
        raise ConfigError(
            f"{place} is not a key of {2 * _KEY_BYTES} hex digits",
            fix=f"write one with `openssl rand -hex {_KEY_BYTES}`",
        )
    return key
