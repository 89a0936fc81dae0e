"""Rules about text that several parts share: whole values, what can be recorded, what names a secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.text import HIDDEN, bounded, clean, message_of, stands_in, without_keys


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("bob@example.com", "Mail it to bob@example.com."),
        ("bob@example.com", "Mail (bob@example.com), please"),
        ("docs/a.txt", "Delete `docs/a.txt`, nothing else"),
        ("two words", "write two\n  words there"),
        (50, "pay 50 euros"),
        (50.0, "pay 50.00 euros"),
        (1200, "pay 1,200 euros"),
        (-3, "add -3 to it"),
        ("Alice", "to: Alice; now"),
        ("notes.txt", "path=notes.txt"),
        ("Oslo", "to:Oslo"),
        ("Apple", "10 shares of Apple's stock"),
        ("Apple", "Apple’s stock"),
        ("15th October", "from 15th October,2023"),
        ("foo", "foo,bar"),
        ("bar", "foo,bar"),
        ("123", "issue #123"),
        ("x.txt", "look at ...x.txt"),
        ("a.b", "a.b a.b"),
    ],
)
def test_what_the_text_contains_whole_is_found(value: str | float, text: str) -> None:
    assert stands_in(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("example.com", "Mail it to bob@example.com."),
        ("bob", "Mail it to bob@example.com."),
        ("a.txt", "Delete docs/a.txt"),
        ("docs", "Delete docs/a.txt"),
        ("alice", "to Alice"),
        ("ａlice", "to alice"),
        ("alice\u200b", "to alice"),
        ("2024", "on 2024-05-01"),
        (50, "pay 500 euros"),
        (5, "pay 2.5 euros"),
        (200, "pay 1,200 euros"),
        (50, "take 50% of it"),
        (True, "set it to true"),
        ("", "anything"),
        (" ", "any thing"),
        ("bob ", "pay bob 20"),
        ("bob ", "pay bob  now"),
        ("two  words", "write two words"),
        ("mail", "an e-mail"),
        ("10", "at 10:30"),
        ("30", "at 10:30"),
        ("200", "pay 1,200 euros"),
        ("example.com", "http://example.com:8080/"),
        ("O", "O'Brien"),
        ("is", "bob's"),
        (float("nan"), "nan"),
        (float("inf"), "9" * 400),
    ],
)
def test_a_piece_a_look_alike_or_nothing_is_not_found(value: str | float, text: str) -> None:
    assert not stands_in(value, text)


WORDS = st.text(alphabet=st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)


@given(WORDS, WORDS)
def test_a_word_is_found_between_blanks_and_never_within_another(word: str, other: str) -> None:
    assert stands_in(word, f"{other} {word} {other}")
    assert not stands_in(word, f"0{word}0")


def test_a_text_that_repeats_itself_is_searched_a_bounded_number_of_times() -> None:
    class Counted(str):
        searches = 0

        def find(self, *args: object) -> int:
            Counted.searches += 1
            return super().find(*args)  # type: ignore[arg-type]

    assert not stands_in("a" * 8_000, Counted("a" * 16_000))
    assert Counted.searches < 1000


class Mute(Exception):
    """Can't say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_a_text_is_cut_where_it_is_too_long_and_the_rest_is_counted() -> None:
    assert bounded("abcdef", 6) == "abcdef"
    assert bounded("abcdef", 2) == "ab… [4 more characters not shown]"


@given(st.text(st.characters(codec=None, categories=["Cs", "L", "N"])))
def test_every_text_can_be_encoded_once_it_is_cleaned(text: str) -> None:
    assert clean(text).encode().decode() == clean(text)


def test_the_message_of_any_exception_can_be_written() -> None:
    assert message_of(ValueError("half \ud800")) == "half \\ud800"
    assert message_of(Mute()) == "(its message can't be read: RuntimeError)"
    assert len(message_of(ValueError("x" * 100_000))) < 600


def test_a_value_is_hidden_by_its_name_unless_it_is_a_plain_word() -> None:
    for shown in (
        "password = hunter2hunter2",
        '"api_key": "a1b2c3d4e5"',
        '{\\"client_secret\\": \\"a1b2c3d4e5\\"}',
        "DB_PASSWORD=hunter2hunter2",
    ):
        assert HIDDEN in without_keys(shown), shown
    for kept in (
        "password = getpass()",
        "token = next(tokens)",
        "secret: [secret API_TOKEN1]",
        "api_key: str",
    ):
        assert without_keys(kept) == kept


def test_a_key_is_hidden_by_its_form() -> None:
    for shown in (
        "sk-" + "ant-abcdefghijklmnopqrst",
        "ghp_" + "a1" * 18,
        "AKIA" + "ABCDEFGH12345678",
        "AIza" + "b" * 35,
        "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJlMTIz",
        "Authorization: Bearer abcdef.ghijkl-mnopqr",
        *(f"{kind}-{'a1b2' * 6}" for kind in ("sk", "rk", "pk")),
        *(f"{kind}_{stage}_{'a1b2' * 5}" for kind in ("sk", "rk") for stage in ("live", "test")),
        *(f"gh{kind}_{'a1b2' * 9}" for kind in "pousr"),
        *(f"{name}_{'a1b2' * 9}" for name in ("github_pat", "hf", "npm", "gsk")),
        "glpat-" + "a1b2" * 6,
        "ASIA" + "ABCDEFGH12345678",
        *(f"xox{kind}-{'1234' * 4}" for kind in "abeprs"),
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128\n\nabc\n-----END RSA PRIVATE KEY-----",
    ):
        hidden = without_keys(f"x {shown} y")
        assert HIDDEN in hidden, shown
        assert hidden.endswith(" y") or "BEGIN" not in hidden
    for kept in (
        "task-force-of-the-United-Nations",
        "xeyJaaaaaaaaaaaa.eyJbbbbbbbbbbb.cccccccccccc",
        "disk-usage",
    ):
        assert without_keys(kept) == kept


def test_text_after_a_value_that_is_a_plain_word_is_still_searched() -> None:
    assert without_keys("password=abcdefghpassword=abcdefgh sk-" + "a" * 20).endswith(HIDDEN)
    assert HIDDEN in without_keys("api_key=sk-" + "abcdefghij" * 3)
