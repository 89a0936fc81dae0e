"""Keeps secrets out of what a run writes outside its journal: artifacts and logs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from nebulus.guard.secrets import Secrets
from nebulus.ports.world import ArtifactStore


class RedactingStore:
    """An artifact store that never stores a secret: `put` redacts the content first."""

    def __init__(self, store: ArtifactStore, secrets: Secrets) -> None:
        self._store, self._secrets = store, secrets

    def put(self, content: str) -> str:
        """Store `content` without its secrets and return its address.

        Raises:
            StoreError: it can't be stored.
        """
        return self._store.put(self._secrets.hide_all(content))

    def get(self, address: str) -> str:
        """Return what is stored at `address`.

        Raises:
            StoreError: nothing is stored there, or the content does not match its address.
        """
        return self._store.get(address)


class RedactingFilter(logging.Filter):
    """Removes secrets from log records. Attach it to handlers, which see the records of every logger."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the message of `record` and its traceback, and let the record pass."""
        record.msg, record.args = self._secrets.hide_all(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._secrets.hide_all(record.exc_text)
        return True


@contextmanager
def redacted_logs(secrets: Secrets) -> Iterator[None]:
    """Redact what every handler writes until the context exits."""
    redacting = RedactingFilter(secrets)
    handlers = [*logging.getLogger().handlers, *logging.getLogger("nebulus").handlers]
    for handler in handlers:
        handler.addFilter(redacting)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(redacting)
