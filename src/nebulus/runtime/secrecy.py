"""Where a run writes beside its journal (artifacts, logs): the same secrets are kept out of it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from nebulus.guard.secrets import Secrets
from nebulus.ports.world import ArtifactStore


class DiscreetStore:
    """A store that keeps no secrets: `put` stores what is left without them."""

    def __init__(self, store: ArtifactStore, secrets: Secrets) -> None:
        self._store, self._secrets = store, secrets

    def put(self, content: str) -> str:
        """Store `content` without secrets and return its address.

        Raises:
            StoreError: it can't be stored.
        """
        return self._store.put(self._secrets.hide_all(content))

    def get(self, address: str) -> str:
        """Return what is stored at `address`.

        Raises:
            StoreError: nothing is, or it does not fit its address.
        """
        return self._store.get(address)


class DiscreetFilter(logging.Filter):
    """Takes secrets out of log records; belongs on handlers, which see what every logger writes."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the message of `record`, its error included, and let it pass."""
        record.msg, record.args = self._secrets.hide_all(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._secrets.hide_all(record.exc_text)
        return True


@contextmanager
def discreet_logs(secrets: Secrets) -> Iterator[None]:
    """Keep secrets out of what every handler writes, for as long as this lasts."""
    keeper = DiscreetFilter(secrets)
    handlers = [*logging.getLogger().handlers, *logging.getLogger("nebulus").handlers]
    for handler in handlers:
        handler.addFilter(keeper)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(keeper)
