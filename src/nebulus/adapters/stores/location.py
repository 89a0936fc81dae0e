"""Where the address of a database leads: to a file, or to a server with its hosts and the files that the driver reads.

Invariant: pure; whoever opens, protects or asks about a database understands its address by these functions.
"""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from nebulus.core.errors import ConfigError

POSTGRES = ("postgresql+psycopg://", "postgresql://", "postgres://")
SQLITE = "sqlite:///"
_PORT = 5432
_HOSTS = ("host", "hostaddr")
"""Parameters that take the place of the host in the URL. Source: PostgreSQL 16, 34.1.2."""
_FILES = ("passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir")


def is_server(address: str | Path) -> bool:
    """Whether `address` is the URL of a PostgreSQL server."""
    return str(address).startswith(POSTGRES)


def file_of(address: str | Path) -> Path | None:
    """Return the SQLite file that `address` means, as an absolute path; None if it is a server."""
    text = str(address)
    return None if is_server(text) else Path(text.removeprefix(SQLITE)).expanduser().absolute()


def origins_of(url: str) -> tuple[str, ...]:
    """Return the hosts that a connection to `url` may be made to, each with its port; none for this machine alone.

    Raises:
        ConfigError: a port is not a number.
    """
    parts, named = _parts(url)
    port = named.get("port", [""])[-1].split(",")[0]
    hosts = [_with_port(host, url) for host in _netloc(parts).split(",")]
    hosts += [(host, "") for name in _HOSTS for value in named.get(name, ()) for host in value.split(",")]
    return tuple(
        dict.fromkeys(
            f"postgresql://{host.lower()}:{own or port or _PORT}"
            for host, own in hosts
            if host and not host.startswith("/") and not _is_loopback(host)
        )
    )


def files_of(url: str) -> Iterator[Path]:
    """Yield the files and folders that a connection to `url` reads: sockets, keys, certificates, passwords."""
    parts, named = _parts(url)
    sockets = [_netloc(parts), *(value for name in _HOSTS for value in named.get(name, ()))]
    yield from (Path(host) for value in sockets for host in value.split(",") if host.startswith("/"))
    yield from (
        Path(value).expanduser().absolute() for name in _FILES for value in named.get(name, ()) if value
    )


def _parts(url: str) -> tuple[SplitResult, dict[str, list[str]]]:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"engine.url={url!r} is not a URL: {error}", fix="correct it") from error
    return parts, parse_qs(parts.query)


def _netloc(parts: SplitResult) -> str:
    return unquote(parts.netloc.rpartition("@")[2])


def _with_port(place: str, url: str) -> tuple[str, str]:
    """Return the host and the port of one of the hosts in a URL; an address of version 6 is in brackets there."""
    host, colon, port = place.rpartition(":")
    if not colon or place.endswith("]"):
        host, port = place, ""
    if port and not (port.isascii() and port.isdecimal() and int(port) < 1 << 16):
        raise ConfigError(f"engine.url={url!r} has a port that can't be: {port!r}", fix="correct it")
    return host.strip("[]"), port


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
