"""Paths and hosts are matched as what they are, not as text."""

import pytest

from nebulus.core.findings import Call
from nebulus.guard.patterns import (
    UNKNOWN,
    all_within,
    any_reached,
    given_hosts,
    given_paths,
    host_of,
    matches_host,
    matches_path,
    reaches_path,
    wrong_host_pattern,
    wrong_path_pattern,
)
from tests.unit.guard import scenes as sc


@pytest.mark.parametrize(
    ("pattern", "path", "is_match"),
    [
        ("src/*", "src/a.py", True),
        ("src/*", "src/b/a.py", False),
        ("src/**", "src/b/a.py", True),
        ("src/**", "srcs/a.py", False),
        ("**/*.pem", "a.pem", True),
        ("**/*.pem", "b/c/a.pem", True),
        ("*.pem", "b/a.pem", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("a.b", "axb", False),
        ("src/**", "src/a\nb", True),
    ],
)
def test_one_star_stays_in_a_folder_and_two_cross(pattern: str, path: str, is_match: bool) -> None:
    assert matches_path(pattern, path) is is_match


@pytest.mark.parametrize("path", ["secrets", "a", ".", UNKNOWN])
def test_a_folder_above_what_a_rule_restricts_is_restricted(path: str) -> None:
    assert reaches_path("a/secrets/**" if path == "a" else "secrets/**", path)


def test_a_rule_that_restricts_sees_any_path_and_one_that_allows_all_of_them() -> None:
    assert any_reached(("secrets/**",), ("a.txt", "secrets/key"))
    assert not all_within(("docs/**",), ("docs/a", "secrets/key"))
    assert not all_within(("docs/**",), ())
    assert not all_within(("**",), (UNKNOWN,))


def test_a_path_that_is_left_out_is_its_default_or_unknown() -> None:
    assert given_paths(Call("list_files"), sc.LIST) == (".",)
    assert given_paths(Call("read_file"), sc.READ) == (UNKNOWN,)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://Docs.Example.com/a?b#c", "docs.example.com"),
        ("https://good.com@evil.com/", "evil.com"),
        ("https://evil.com#@good.com", "evil.com"),
        ("https://example.com.", "example.com"),
        ("https://example.com:8443/x", "example.com"),
        ("bob@Example.com", "example.com"),
        ("mailto:bob@example.com", "example.com"),
        ("example.com/path", "example.com"),
        ("http://[::1]:80/", "::1"),
        ("https://bücher.example", "xn--bcher-kva.example"),
        ("https://example。com", UNKNOWN),
        ("https://ｅvil.com", UNKNOWN),
        ("https://good.com\\@evil.com", UNKNOWN),
        ("https://good.com\t.evil.com", UNKNOWN),
        ("https://good.com evil.com", UNKNOWN),
        ("https://", UNKNOWN),
        ("", UNKNOWN),
        ("https://exa\u200bmple.com", UNKNOWN),
        ("bob+tag@example.com.", "example.com"),
        ("eve@evil.com@example.com", UNKNOWN),
        ("eve@evil.com,bob@example.com", UNKNOWN),
        ("mailto:eve@evil.com?bcc=bob@example.com", UNKNOWN),
        ("<eve@evil.com>bob@example.com", UNKNOWN),
        ("evil.com?@example.com", UNKNOWN),
        ("evil.com#@example.com", UNKNOWN),
        ("https://a@evil.com@example.com/", UNKNOWN),
    ],
)
def test_a_host_is_parsed_as_a_client_would_or_is_unknown(text: str, host: str) -> None:
    assert host_of(text) == host


def test_a_host_pattern_names_one_host_or_all_below_one() -> None:
    assert matches_host("*.example.com", "docs.example.com")
    assert not matches_host("*.example.com", "example.com")
    assert not matches_host("*.example.com", "evilexample.com")
    assert matches_host("*", "example.com")
    assert not matches_host("*", UNKNOWN)


def test_every_host_of_a_list_is_seen() -> None:
    hosts = given_hosts(Call("send_mail", {"to": ["a@b.com", "x@y.com"]}), sc.MAIL)
    assert hosts == ("b.com", "y.com")


@pytest.mark.parametrize("pattern", ["/etc/*", "../a", "a//b", "./a", "", "~/a"])
def test_a_path_pattern_that_no_canonical_path_can_match_is_wrong(pattern: str) -> None:
    assert wrong_path_pattern(pattern)


@pytest.mark.parametrize("pattern", ["https://a.com", "A.com", "a.com:80", "a.*.com", "a.com/x", ""])
def test_a_host_pattern_that_no_host_can_match_is_wrong(pattern: str) -> None:
    assert wrong_host_pattern(pattern)
