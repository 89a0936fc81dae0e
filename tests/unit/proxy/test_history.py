"""A client's history comes out in an order that every chat template takes, and nothing in it is lost."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.answers import Message, RawCall
from nebulus.proxy.history import NO_RESULT, arranged
from tests.work import lines_run

CALL = RawCall("weather", '{"city": "Paris"}', "a")


def assistant(*calls: RawCall, text: str = "") -> Message:
    return Message("assistant", text, calls)


def result(text: str, call_id: str = "a") -> Message:
    return Message("tool", text, call_id=call_id)


def roles(messages: tuple[Message, ...]) -> list[str]:
    return [message.role for message in messages]


def test_instructions_at_the_beginning_are_one_message() -> None:
    history, notes = arranged([Message("system", "A"), Message("system", "B"), Message("user", "C")])
    assert history == (Message("system", "A\n\nB"), Message("user", "C"))
    assert notes == ()


def test_instructions_in_the_middle_become_part_of_the_users_messages() -> None:
    history, _ = arranged([Message("user", "A"), Message("system", "B"), Message("user", "C")])
    assert roles(history) == ["user"]
    assert history[0].content == "A\n\n[system]\nB\n\nC"


def test_results_follow_their_calls_in_order_wherever_the_client_put_them() -> None:
    other = RawCall("weather", "{}", "b")
    history, notes = arranged(
        [assistant(CALL, other), result("2", "b"), Message("user", "And?"), result("1")]
    )
    assert [(message.role, message.content) for message in history] == [
        ("assistant", ""),
        ("tool", "1"),
        ("tool", "2"),
        ("user", "And?"),
    ]
    assert notes == ()


def test_an_id_that_a_client_uses_twice_is_made_unique_with_its_result() -> None:
    turn = [assistant(CALL), result("1")]
    history, notes = arranged([*turn, assistant(CALL), result("2")])
    assert [message.calls[0].call_id for message in history if message.calls] == ["a", "a_2"]
    assert [(m.call_id, m.content) for m in history if m.role == "tool"] == [("a", "1"), ("a_2", "2")]
    assert len(notes) == 1


def test_a_call_without_a_result_gets_one_and_a_result_without_a_call_becomes_text() -> None:
    history, notes = arranged([assistant(CALL), Message("user", "B"), result("C", "lost")])
    assert roles(history) == ["assistant", "tool", "user"]
    assert history[1].content == NO_RESULT
    assert "C" in history[2].content
    assert len(notes) == 2


_CONTENT = st.text(alphabet="xyz ", max_size=3)
_CALLS = st.lists(
    st.builds(RawCall, st.just("t"), st.just("{}"), st.sampled_from(["", "a", "b"])), max_size=2
)
_MESSAGES = st.one_of(
    st.builds(Message, st.sampled_from(["system", "user"]), _CONTENT),
    st.builds(lambda content, calls: Message("assistant", content, tuple(calls)), _CONTENT, _CALLS),
    st.builds(
        lambda content, call_id: Message("tool", content, call_id=call_id),
        _CONTENT,
        st.sampled_from(["", "a", "b"]),
    ),
)


@given(st.lists(_MESSAGES, max_size=12))
def test_every_history_comes_out_in_order_with_one_result_for_each_call_and_all_its_text(
    messages: list[Message],
) -> None:
    history, _ = arranged(messages)
    ids = [call.call_id for message in history for call in message.calls]
    assert len(ids) == len(set(ids))
    assert "system" not in roles(history[1:])
    pending: list[str] = []
    previous = ""
    for message in history:
        if message.role == "tool":
            assert message.call_id == pending.pop(0)
        else:
            assert pending == []
            assert message.role != previous or message.role == "assistant"
            pending = [call.call_id for call in message.calls]
        previous = message.role
    assert pending == []
    kept = "".join(message.content for message in history)
    for message in messages:
        assert message.content.strip() in kept


def of_one_id(count: int) -> list[Message]:
    return [assistant(*[CALL] * count)]


def answered_backwards(count: int) -> list[Message]:
    calls = [RawCall("weather", "{}", f"c{number}") for number in range(count)]
    return [assistant(*calls), *(result("", call.call_id) for call in reversed(calls))]


def one_call_a_message(count: int) -> list[Message]:
    return [assistant(CALL) for _ in range(count)]


@pytest.mark.parametrize("history", [of_one_id, answered_backwards, one_call_a_message])
def test_the_work_is_linear_in_the_number_of_calls(history: Callable[[int], list[Message]]) -> None:
    small, large = (history(count) for count in (100, 400))
    assert lines_run(lambda: arranged(large)) < 6 * lines_run(lambda: arranged(small))
