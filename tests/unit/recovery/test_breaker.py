"""What fails several times in a row is not tried for a while, and tried once after that."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.failure import FailureKind
from nebulus.recovery.breaker import LONGEST_REST_S, Breaker, after_failure, after_success, rest_left_s


def failed(breaker: Breaker, now_s: float, kind: FailureKind = FailureKind.TRANSIENT) -> Breaker:
    return after_failure(breaker, kind, now_s=now_s, most=3, rest_s=10)


def test_it_rests_after_the_last_of_a_row_and_each_time_twice_as_long() -> None:
    breaker = Breaker()
    for now in (0, 1):
        breaker = failed(breaker, now)
        assert rest_left_s(breaker, now_s=now) == 0
    breaker = failed(breaker, 2)
    assert rest_left_s(breaker, now_s=2) == 10
    assert rest_left_s(breaker, now_s=12) == 0, "one attempt is allowed"
    assert rest_left_s(failed(breaker, 12), now_s=12) == 20


def test_one_success_resets_the_count() -> None:
    assert after_success(failed(failed(Breaker(), 0), 0)) == Breaker()


def test_what_says_nothing_about_the_other_side_is_not_counted() -> None:
    assert failed(failed(failed(Breaker(), 0), 0), 0, FailureKind.INVALID_ARGUMENTS) == Breaker()


@given(st.lists(st.floats(0, 1e6), max_size=40))
def test_a_rest_is_bounded(times: list[float]) -> None:
    breaker = Breaker()
    for now in sorted(times):
        breaker = failed(breaker, now)
        assert rest_left_s(breaker, now_s=now) <= LONGEST_REST_S + 1e-6
