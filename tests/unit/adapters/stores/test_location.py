"""An address leads to the same file or server for who opens it, who protects it, and who asks about it."""

from pathlib import Path

import pytest

from nebulus.adapters.stores.database import PostgresSchema, SqliteFile, storage_at
from nebulus.adapters.stores.location import file_of, files_of, is_server, origins_of
from nebulus.core.errors import ConfigError


@pytest.mark.parametrize(
    "address",
    ["runs.sqlite", "sqlite:///runs.sqlite", "sqlite:////a/runs.sqlite", "~/r", "postgres:/x", "sqlite://x"],
)
def test_what_is_opened_as_a_file_is_known_as_that_file(address: str) -> None:
    assert storage_at(address) == SqliteFile(file_of(address) or Path())
    assert not is_server(address)


@pytest.mark.parametrize("address", ["postgres://h/d", "postgresql://h/d", "postgresql+psycopg://h/d"])
def test_what_is_opened_as_a_server_is_known_as_one(address: str) -> None:
    assert storage_at(address) == PostgresSchema("postgresql://h/d", "nebulus")
    assert file_of(address) is None
    assert is_server(address)


@pytest.mark.parametrize(
    ("url", "origins"),
    [
        ("postgresql:///runs", ()),
        ("postgresql://user:word@localhost:5433/runs", ()),
        ("postgresql://[::1]/runs", ()),
        ("postgresql:///runs?host=/var/run/postgresql", ()),
        ("postgresql://box/runs", ("postgresql://box:5432",)),
        ("postgresql+psycopg://u:p@Box:77/runs", ("postgresql://box:77",)),
        ("postgresql:///runs?host=evil.example", ("postgresql://evil.example:5432",)),
        ("postgresql://localhost/runs?host=evil.example&port=99", ("postgresql://evil.example:99",)),
        ("postgresql://localhost/runs?hostaddr=203.0.113.9", ("postgresql://203.0.113.9:5432",)),
        ("postgresql://localhost,evil.example:1/runs", ("postgresql://evil.example:1",)),
        ("postgresql:///runs?host=localhost,evil.example", ("postgresql://evil.example:5432",)),
        ("postgresql://[2001:db8::1]:9/runs", ("postgresql://2001:db8::1:9",)),
    ],
)
def test_every_host_that_a_driver_may_connect_to_is_named(url: str, origins: tuple[str, ...]) -> None:
    assert origins_of(url) == origins


def test_a_port_that_can_not_be_is_told() -> None:
    with pytest.raises(ConfigError, match="port"):
        origins_of("postgresql://box:99999/runs")


def test_the_files_that_a_connection_reads_are_named() -> None:
    url = "postgresql://%2Frun%2Fpg/runs?host=/other&sslkey=/k/key.pem&passfile=/k/pass&sslmode=require"
    assert list(files_of(url)) == [Path("/run/pg"), Path("/other"), Path("/k/pass"), Path("/k/key.pem")]
