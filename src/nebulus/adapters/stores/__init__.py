"""Where large values are kept, by content, and the database that they share with the runs."""

from nebulus.adapters.stores.artifacts import DatabaseStore
from nebulus.adapters.stores.memory import MemoryStore

__all__ = ["DatabaseStore", "MemoryStore"]
