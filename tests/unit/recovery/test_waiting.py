"""How long a refused request must wait is read from the response of its exception."""

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


def test_names_of_headers_are_found_in_any_case() -> None:
    assert wait({"retry-after": "7"}) == 7.0
    assert wait({"Retry-After": "7", "Retry-After-Ms": "120"}) == 0.12
    assert (
        wait({"Retry-After": "Sun, 06 Nov 1994 12:00:30 GMT", "Date": "Sun, 06 Nov 1994 12:00:10 GMT"})
        == 20.0
    )


def test_headers_are_found_wherever_a_library_keeps_them() -> None:
    headers = {"Retry-After": "3"}
    assert asked_wait_s(Refused(headers=headers), now_s=NOON) == 3.0
    plain = {"ResponseMetadata": {"HTTPHeaders": headers}}
    assert asked_wait_s(Refused(response=plain), now_s=NOON) == 3.0
    wrapped = ValueError("wrapped")
    wrapped.__cause__ = Refused(headers=headers)
    assert asked_wait_s(wrapped, now_s=NOON) == 3.0
    assert asked_wait_s(Refused(headers="none", response=7), now_s=NOON) == 0.0


def test_a_chain_of_causes_that_is_a_circle_ends() -> None:
    first, second = ValueError("one"), ValueError("two")
    first.__cause__, second.__cause__ = second, first
    assert asked_wait_s(first, now_s=NOON) == 0.0
