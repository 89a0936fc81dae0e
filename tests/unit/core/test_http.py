"""Statuses and waits of HTTP mean the same everywhere, and no header causes an endless wait."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.failure import FailureKind
from nebulus.core.http import MAX_WAIT_S, kind_of_status, retry_after_s, status_of_kind

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NOON_S = 784_123_200.0
"""Sun, 06 Nov 1994 12:00:00 GMT."""


def wait(headers: dict[str, str], now_s: float = NOON_S) -> float:
    return retry_after_s(headers, now_s=now_s)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, 0.0),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": " 0.25 "}, 0.25),
        ({"retry-after": "007"}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "250.5"}, 0.2505),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Sun, 06 Nov 1994 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sunday, 06-Nov-94 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sun Nov  6 12:00:30 1994"}, 30.0),
        ({"retry-after": "Sun, 06 Nov 1994 13:00:30 +0100"}, 30.0),
        ({"retry-after": "Sun, 06 Nov 1994 11:59:30 GMT"}, 0.0),
    ],
)
def test_a_wait_is_read_however_it_is_written(headers: dict[str, str], wait_s: float) -> None:
    assert wait(headers) == wait_s


def test_a_date_is_compared_with_the_clock_of_the_server() -> None:
    until = format_datetime(NOW + timedelta(seconds=90), usegmt=True)
    assert wait({"retry-after": until, "date": format_datetime(NOW, usegmt=True)}, now_s=0.0) == 90.0
    assert wait({"retry-after": until}, now_s=NOW.timestamp()) == 90.0


@pytest.mark.parametrize("name", ["retry-after", "retry-after-ms"])
@pytest.mark.parametrize(
    "raw",
    [
        "",
        "soon",
        "-3",
        "+3",
        "1e9",
        "1e999",
        "NaN",
        "inf",
        "-inf",
        "Infinity",
        "0x10",
        "1_000",
        "٣",
        "1.",
        "5;",
    ],
)
def test_what_is_neither_a_number_nor_a_date_asks_for_nothing(name: str, raw: str) -> None:
    assert wait({name: raw}) == 0.0


@pytest.mark.parametrize("raw", ["9" * 40, "9" * 4000, "86401", "0" * 4000 + "86401", "99999.9" + "9" * 999])
def test_a_wait_of_more_than_a_day_is_a_day(raw: str) -> None:
    assert wait({"retry-after": raw}) == MAX_WAIT_S


@pytest.mark.parametrize(
    "raw",
    [
        "Sun, 31 Feb 1994 12:00:30 GMT",
        "Sun, 06 Foo 1994 12:00:30 GMT",
        "Sun, 06 Nov 99999 12:00:30 GMT",
        "Sun, 06 Nov 1994 99:99:99 GMT",
        "Sun, 06 Nov 1994 12:00:30 GMT" + " " * 1000,
    ],
)
def test_a_date_that_cannot_be_asks_for_nothing(raw: str) -> None:
    assert wait({"retry-after": raw}) == 0.0


@given(
    retry=st.text(max_size=60)
    | st.floats().map(str)
    | st.integers().map(str)
    | st.datetimes().map(format_datetime),
    date=st.text(max_size=60) | st.datetimes().map(format_datetime),
    now_s=st.floats(0, 4e9),
)
def test_a_wait_is_finite_and_within_its_bounds_whatever_is_sent(retry: str, date: str, now_s: float) -> None:
    for name in ("retry-after", "retry-after-ms"):
        assert 0.0 <= wait({name: retry, "date": date}, now_s) <= MAX_WAIT_S


@pytest.mark.parametrize(
    "kind", sorted(set(FailureKind) - {FailureKind.PROMPT_TOO_LARGE, FailureKind.POLICY_REFUSAL})
)
def test_a_failure_that_is_sent_as_a_status_is_read_as_itself_or_as_a_failed_server(
    kind: FailureKind,
) -> None:
    status = status_of_kind(kind)
    assert 400 <= status <= 599
    read = kind_of_status(status)
    assert read is kind or read is FailureKind.TRANSIENT or kind is FailureKind.UNKNOWN_OUTCOME
