"""Calls without progress are blocked before they are made; useful repeats are not."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.findings import Call
from nebulus.core.history import CallHistory
from nebulus.core.tools import Effect, ToolSpec
from nebulus.recovery import stagnation as s


def extended(history: CallHistory, tool: str, argument: str, result: str) -> CallHistory:
    """Return the history with one more call; `put` changes the world, "!" at the end of a result is an error."""
    spec = ToolSpec(name=tool, effect=Effect.WRITE if tool == "put" else Effect.READ)
    call, is_error = Call(tool, {"value": argument}), result.endswith("!")
    record = s.recorded(call, spec, step=1, result=result, history=history, is_error=is_error)
    return s.with_record(history, record)


def walked(*calls: tuple[str, str, str]) -> CallHistory:
    """Return the history of (tool, argument, result)."""
    history = CallHistory()
    for tool, argument, result in calls:
        history = extended(history, tool, argument, result)
    return history


def why(history: CallHistory, tool: str, argument: str) -> str:
    return s.blocked(history, tool, {"value": argument})


def test_the_third_call_with_the_same_result_is_blocked() -> None:
    once = ("look", "a", "empty")
    assert why(walked(once), "look", "a") == ""
    assert "2 times with the same result" in why(walked(once, once), "look", "a")
    assert why(walked(once, once), "look", "b") == ""


def test_spaces_and_the_time_of_day_make_no_difference() -> None:
    history = walked(("look", "a  b", "none at 10:11:12"), ("look", "a b", "none  at 10:11:15"))
    assert why(history, "look", " a b ")


def test_after_a_change_everything_may_be_read_again() -> None:
    history = walked(("look", "a", "empty"), ("look", "a", "empty"), ("put", "x", "ok"))
    assert why(history, "look", "a") == ""


def test_a_result_that_changes_is_progress() -> None:
    assert why(walked(("look", "a", "1"), ("look", "a", "2")), "look", "a") == ""


def test_what_is_under_way_may_be_polled_longer_but_not_forever() -> None:
    poll = ("status", "job", '{"status": "running"}')
    assert why(walked(*[poll] * 5), "status", "job") == ""
    assert why(walked(*[poll] * 8), "status", "job")


def test_back_and_forth_is_a_cycle_though_each_call_changes_the_world() -> None:
    rounds = [("put", "a", "ok"), ("put", "b", "ok")] * 2
    assert "twice in the same order" in why(walked(*rounds), "put", "a")
    assert why(walked(*rounds), "put", "c") == ""


def test_a_longer_cycle_is_detected_too() -> None:
    rounds = [("put", value, value) for value in "abcde"] * 2
    assert "the last 5 calls" in why(walked(*rounds), "put", "a")


def test_different_arguments_with_the_same_result_are_not_progress() -> None:
    history = walked(*(("find", f"word {n}", "nothing found") for n in range(4)))
    assert "with different arguments" in why(history, "find", "word 5")
    assert why(history, "look", "elsewhere") == ""


def test_errors_in_a_row_with_nothing_new_are_not_progress() -> None:
    history = walked(*(("look" if n % 2 else "find", str(n), "denied!") for n in range(10)))
    assert "returned nothing new" in why(history, "look", "x")


def test_reading_many_things_once_is_honest_work() -> None:
    assert why(walked(*(("look", str(n), f"text {n}") for n in range(30))), "look", "31") == ""


def test_the_same_change_again_is_blocked_and_with_another_between_it_is_not() -> None:
    press, release = ("put", "press", "down"), ("put", "release", "up")
    assert "already" in why(walked(press), "put", "press")
    assert why(walked(press, release), "put", "press") == ""


@given(st.lists(st.sampled_from("abc"), min_size=60, max_size=60))
def test_few_calls_with_fixed_results_can_not_go_on_forever(picks: list[str]) -> None:
    history = CallHistory()
    for pick in picks:
        if why(history, "look", pick):
            return
        history = extended(history, "look", pick, pick)
    raise AssertionError("sixty looks at three things that never change were let pass")
