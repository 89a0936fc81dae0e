"""Artifacts in the database of the runs.

Invariants: an artifact is whole or absent, whichever process dies in between; what is read matches its
address, or is an error; nothing is ever changed.
"""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from nebulus.adapters.stores.address import address_of, encoded, is_address
from nebulus.adapters.stores.database import open_tables, transaction
from nebulus.core.errors import StoreError

_tables = sa.MetaData()
_artifacts = sa.Table(
    "nebulus_artifacts",
    _tables,
    sa.Column("address", sa.String(64), primary_key=True),
    # Bytes, since text in PostgreSQL can't contain a NUL.
    sa.Column("content", sa.LargeBinary, nullable=False),
)


class DatabaseStore:
    """Artifacts as rows. `place` is the path of an SQLite file or a PostgreSQL URL, the one of the runs.

    Raises:
        ConfigError: the database can't be used.
    """

    def __init__(self, place: str | Path) -> None:
        self._engine = open_tables(place, _tables)

    def put(self, content: str) -> str:
        """Store `content` and return its address; it is on the disk when this returns.

        Raises:
            StoreError: it is not Unicode text, or the database refused it.
        """
        data = encoded(content)
        address = address_of(data)
        insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        row = insert(_artifacts).values(address=address, content=data).on_conflict_do_nothing()
        with transaction(self._engine, f"artifact {address[:16]} of {len(data)} bytes") as connection:
            connection.execute(row)
        return address

    def get(self, address: str) -> str:
        """Return what is stored at `address`, verified.

        Raises:
            StoreError: `address` is malformed, nothing is stored there, or it does not fit its address.
        """
        if not is_address(address):
            raise StoreError(f"{address!r} is not the address of an artifact", fix="it has 64 hex digits")
        with transaction(self._engine, f"artifact {address}") as connection:
            found = sa.select(_artifacts.c.content).where(_artifacts.c.address == address)
            data = connection.execute(found).scalar()
        if data is None:
            raise StoreError(
                f"no artifact is stored at {address}", fix="it was never stored in this database"
            )
        if address_of(data) != address:
            raise StoreError(f"artifact {address} was damaged", fix="repeat the call that made it")
        return bytes(data).decode()
