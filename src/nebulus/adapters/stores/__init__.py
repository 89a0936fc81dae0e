"""Where large values are kept, by content."""

from nebulus.adapters.stores.folder import FolderStore
from nebulus.adapters.stores.memory import MemoryStore

__all__ = ["FolderStore", "MemoryStore"]
