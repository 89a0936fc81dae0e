"""Artifacts in a folder.

Laws: a file is whole or absent, whoever dies in between; what is read is what its address says, or an
error; nothing is ever changed.
"""

import os
import tempfile
from pathlib import Path

from nebulus.adapters.stores.address import address_of, encoded, is_address
from nebulus.core.errors import ConfigError, StoreError


class FolderStore:
    """Artifacts as files named by their address, spread over two levels of folders.

    Raises:
        ConfigError: the folder can't be made.
    """

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root)
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"artifact folder {str(root)!r} can't be made: {error.strerror}; name another"
            ) from error

    def put(self, content: str) -> str:
        """Store `content` and return its address; it is on the disk when this returns.

        Raises:
            StoreError: it is no Unicode text, or the disk refused it.
        """
        data = encoded(content)
        address = address_of(data)
        place = self._place(address)
        try:
            if not _holds(place, address):
                _write(place, data)
        except OSError as error:
            raise StoreError(
                f"artifact {address[:16]} of {len(data)} bytes can't be stored in {str(self._root)!r}: "
                f"{error.strerror}; free some space, or mend its permissions"
            ) from error
        return address

    def get(self, address: str) -> str:
        """Return what is stored at `address`, verified.

        Raises:
            StoreError: `address` is none, nothing is stored there, or it does not fit its address.
        """
        if not is_address(address):
            raise StoreError(f"{address!r} is no address of an artifact; it has 64 hex digits")
        try:
            data = self._place(address).read_bytes()
        except OSError as error:
            raise StoreError(
                f"artifact {address} can't be read from {str(self._root)!r}: {error.strerror}"
            ) from error
        if address_of(data) != address:
            raise StoreError(
                f"artifact {address} in {str(self._root)!r} was damaged; run the call again that made it"
            )
        return data.decode()

    def _place(self, address: str) -> Path:
        return self._root / address[:2] / address[2:4] / address


def _holds(place: Path, address: str) -> bool:
    """Whether the file stands there undamaged; a damaged one is written anew."""
    try:
        return address_of(place.read_bytes()) == address
    except FileNotFoundError:
        return False


def _write(place: Path, data: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".draft-", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(place)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    for folder in (place.parent, place.parent.parent, place.parent.parent.parent):
        _sync(folder)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
