"""Where nobody knows what tools do, only the same calls with the same results are a loop."""

from nebulus.core.findings import Call
from nebulus.core.history import CallHistory
from nebulus.core.tools import ToolSpec
from nebulus.recovery.stagnation import changed, recorded, repeated, with_record

SPEC = ToolSpec(name="run")


def history(*made: tuple[str, str]) -> CallHistory:
    """A history of (argument, result), in which what is new may have changed something."""
    known, seen = CallHistory(), set()
    for argument, result in made:
        call = Call("run", {"command": argument})
        known = with_record(known, recorded(call, SPEC, step=0, result=result, history=known))
        if (argument, result) not in seen:
            known = changed(known)
        seen.add((argument, result))
    return known


def test_the_same_call_with_the_same_result_is_a_loop_in_the_end() -> None:
    assert not repeated(history(*[("test", "failed")] * 3), "run", {"command": "test"}, same_calls=4)
    assert repeated(history(*[("test", "failed")] * 5), "run", {"command": "test"}, same_calls=4)


def test_different_calls_with_the_same_result_are_no_loop() -> None:
    made = [(f"mkdir {n}", "") for n in range(20)]
    assert not repeated(history(*made), "run", {"command": "mkdir 20"}, same_calls=4)


def test_a_check_after_each_of_many_changes_is_no_loop() -> None:
    made = [pair for n in range(9) for pair in ((f"edit {n}", "ok"), ("test", "failed"))]
    assert not repeated(history(*made), "run", {"command": "test"}, same_calls=4)
