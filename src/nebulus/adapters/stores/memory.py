"""Artifacts in memory: gone with the process."""

from nebulus.adapters.stores.address import address_of, encoded
from nebulus.core.errors import StoreError


class MemoryStore:
    """Artifacts in a dictionary, for runs that nobody will resume."""

    def __init__(self) -> None:
        self._contents: dict[str, str] = {}

    def put(self, content: str) -> str:
        """Keep `content` and return its address.

        Raises:
            StoreError: it is not Unicode text.
        """
        address = address_of(encoded(content))
        self._contents[address] = content
        return address

    def get(self, address: str) -> str:
        """Return what is kept at `address`.

        Raises:
            StoreError: nothing is.
        """
        if address not in self._contents:
            raise StoreError(
                f"no artifact is kept at {address!r}", fix="it was never stored, or by another process"
            )
        return self._contents[address]
