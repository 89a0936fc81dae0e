"""What a refused request is told to wait is read from the response that its exception carries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from nebulus.recovery.waiting import asked_wait_s

NOON = 784_123_200.0
"""Sun, 06 Nov 1994 12:00:00 GMT."""


class Response(Struct):
    headers: object


class Refused(Exception):
    def __init__(self, **carried: object) -> None:
        super().__init__("refused")
        for name, value in carried.items():
            setattr(self, name, value)


def wait(headers: object, now_s: float = NOON) -> float:
    return asked_wait_s(Refused(response=Response(headers)), now_s=now_s)


def test_seconds_are_read_and_milliseconds_win() -> None:
    assert wait({"retry-after": "7"}) == 7.0
    assert wait({"Retry-After": " 0.25 "}) == 0.25
    assert wait({"retry-after": "7", "Retry-After-Ms": "120"}) == 0.12


def test_a_date_is_held_against_the_servers_own_clock() -> None:
    until = "Sun, 06 Nov 1994 12:00:30 GMT"
    assert wait({"Retry-After": until, "Date": "Sun, 06 Nov 1994 12:00:10 GMT"}, now_s=0.0) == 20.0
    assert wait({"Retry-After": until}) == 30.0
    assert wait({"Retry-After": until}, now_s=NOON + 3600) == 0.0


@pytest.mark.parametrize(
    "raw",
    ["", "soon", "-3", "1e9", "Sun, 31 Feb 1994 12:00:30 GMT", "Sun, 06 Foo 1994 12:00:30 GMT", "9" * 40],
)
def test_what_cannot_be_read_asks_for_nothing(raw: str) -> None:
    assert wait({"retry-after": raw}) == 0.0


def test_headers_are_found_wherever_a_library_keeps_them() -> None:
    headers = {"Retry-After": "3"}
    assert asked_wait_s(Refused(headers=headers), now_s=NOON) == 3.0
    plain = {"ResponseMetadata": {"HTTPHeaders": headers}}
    assert asked_wait_s(Refused(response=plain), now_s=NOON) == 3.0
    wrapped = ValueError("wrapped")
    wrapped.__cause__ = Refused(headers=headers)
    assert asked_wait_s(wrapped, now_s=NOON) == 3.0
    assert asked_wait_s(Refused(headers="none", response=7), now_s=NOON) == 0.0


@given(raw=st.text(max_size=60))
def test_any_text_is_read_as_a_wait_that_is_not_negative(raw: str) -> None:
    assert wait({"retry-after": raw}) >= 0.0
