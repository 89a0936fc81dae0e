"""Who may use the proxy.

Invariants: pure; without a token it serves this machine alone, and no web page; a token is compared in constant time.
"""

import hmac
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from nebulus.core.errors import ConfigError
from nebulus.core.failure import Failure, FailureKind, Fault

LEAST_TOKEN_CHARS = 16


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address, means this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False  # a name: it may lead anywhere


def check_exposure(host: str, token: str) -> None:
    """Refuse to be reachable by others without a token.

    Raises:
        ConfigError: `host` is not loopback and there is no token, or the token can be guessed.
    """
    if token and len(token) < LEAST_TOKEN_CHARS:
        raise ConfigError(
            f"the token has {len(token)} characters; give it at least {LEAST_TOKEN_CHARS}, such as the output of "
            "`openssl rand -hex 16`"
        )
    if not token and not is_loopback(host):
        raise ConfigError(
            f"--host {host} is reachable by others, so a token is needed: set it in the environment variable that "
            "--token-env names, or leave --host out"
        )


class Access:
    """Decides whether a request may be served."""

    def __init__(self, token: str = "") -> None:
        self._token = token.encode()

    def refusal(self, headers: Mapping[str, str]) -> Failure | None:
        """Return why a request with `headers`, whose names ignore case, is not served; None if it is."""
        if self._token:
            return None if hmac.compare_digest(_token_of(headers), self._token) else _unknown_token()
        if not _is_local(headers.get("Host", "")):
            return _not_from_here("Host", headers["Host"])
        origin = headers.get("Origin", "")
        return _not_from_here("Origin", origin) if _is_page_elsewhere(origin) else None


def _token_of(headers: Mapping[str, str]) -> bytes:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    return given.encode("utf-8", "replace")


def _is_local(place: str) -> bool:
    """Whether a host with its port is this machine; a page elsewhere may have its name lead to this machine."""
    if not place:
        return True
    try:
        host = urlsplit(f"//{place}").hostname
    except ValueError:  # no browser and no client writes such a name
        return False
    return host is not None and is_loopback(host)


def _is_page_elsewhere(origin: str) -> bool:
    """Whether `origin` is a web page of another machine, or one that a browser keeps apart and so calls "null".

    Source: HTML Living Standard, "origin": sandboxed frames, data URLs and redirected requests have an opaque one.
    """
    scheme, mark, place = origin.partition("://")
    if scheme.lower() in ("http", "https"):
        return not mark or not _is_local(place or "?")
    return origin.strip().lower() == "null"


def _unknown_token() -> Failure:
    return Failure(
        kind=FailureKind.PERMISSION,
        fault=Fault.CONTRACT,
        what="the token is missing or wrong",
        fix="send the proxy's token as `Authorization: Bearer …` or `x-api-key`",
    )


def _not_from_here(header: str, value: str) -> Failure:
    return Failure(
        kind=FailureKind.PERMISSION,
        fault=Fault.CONTRACT,
        what=f"without a token only this machine is served, and {header} is another",
        value=value[:200],
        fix="start the proxy with a token",
    )
