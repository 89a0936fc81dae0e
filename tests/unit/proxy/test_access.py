"""Without a token only this machine is served; with one, only who knows it."""

import pytest
from multidict import CIMultiDict

from nebulus.core.errors import ConfigError
from nebulus.proxy.access import Access, check_exposure

TOKEN = "0123456789abcdef0123"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.9.1"])
def test_loopback_needs_no_token(host: str) -> None:
    check_exposure(host, "")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "box", "localhost.evil.example"])
def test_any_other_address_needs_one(host: str) -> None:
    with pytest.raises(ConfigError, match="token"):
        check_exposure(host, "")
    check_exposure(host, TOKEN)


def test_a_token_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 16"):
        check_exposure("127.0.0.1", "secret")


@pytest.mark.parametrize(
    ("headers", "is_served"),
    [
        ({}, True),
        ({"Host": "127.0.0.1:8484"}, True),
        ({"Host": "[::1]:8484"}, True),
        ({"Host": "localhost"}, True),
        ({"Host": "evil.example:8484"}, False),
        ({"Host": "127.0.0.1.evil.example"}, False),
        ({"Host": "localhost", "Origin": "http://localhost:3000"}, True),
        ({"Host": "localhost", "Origin": "vscode-file://vscode-app"}, True),
        ({"Host": "localhost", "Origin": "https://evil.example"}, False),
        ({"Host": "localhost", "Origin": "http://127.0.0.1.evil.example"}, False),
        ({"Host": "localhost", "Origin": "null"}, False),
        ({"Host": "localhost", "Origin": "HTTPS://evil.example"}, False),
        ({"Host": "localhost", "Origin": "https://["}, False),
        ({"Host": "["}, False),
        ({"Host": "[::1"}, False),
    ],
)
def test_a_page_elsewhere_can_not_use_a_proxy_without_a_token(
    headers: dict[str, str], is_served: bool
) -> None:
    assert (Access().refusal(CIMultiDict(headers)) is None) is is_served


@pytest.mark.parametrize(
    ("headers", "is_served"),
    [
        ({}, False),
        ({"authorization": f"Bearer {TOKEN}"}, True),
        ({"Authorization": f"bearer {TOKEN}"}, True),
        ({"X-Api-Key": TOKEN}, True),
        ({"Authorization": f"Basic {TOKEN}"}, False),
        ({"Authorization": f"Bearer {TOKEN}x"}, False),
        ({"Authorization": "Bearer ü"}, False),
    ],
)
def test_a_token_is_asked_for_in_both_protocols_own_headers(headers: dict[str, str], is_served: bool) -> None:
    assert (Access(TOKEN).refusal(CIMultiDict(headers)) is None) is is_served
