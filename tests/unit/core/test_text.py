"""Text that can be recorded, and keys that are known by their name or their form."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.text import HIDDEN, bounded, clean, message_of, without_keys


class Mute(Exception):
    """Can't say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_a_text_is_cut_where_it_is_too_long_and_the_rest_is_counted() -> None:
    assert bounded("abcdef", 6) == "abcdef"
    assert bounded("abcdef", 2) == "ab… [4 more characters not shown]"


@given(st.text(st.characters(codec=None, categories=["Cs", "L", "N"])))
def test_whatever_a_text_holds_it_can_be_written_when_it_is_clean(text: str) -> None:
    assert clean(text).encode().decode() == clean(text)


def test_the_message_of_any_exception_can_be_written() -> None:
    assert message_of(ValueError("half \ud800")) == "half \\ud800"
    assert message_of(Mute()) == "(its message can't be read: RuntimeError)"
    assert len(message_of(ValueError("x" * 100_000))) < 600


def test_a_value_is_hidden_by_its_name_where_it_is_no_plain_word() -> None:
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
