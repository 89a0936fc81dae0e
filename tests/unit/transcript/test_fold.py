"""A long history fits its room, keeps what was instructed, and begins as it did one request before."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.answers import Message, RawCall
from nebulus.transcript.fold import FoldedHistory, fold_history
from nebulus.transcript.rounds import rounds_of

SYSTEM = Message("system", "You are an agent. " * 20)
GOAL = Message("user", "Make the tests pass. The port is 8417.")


def turn(number: int, result: str = "", argument: str = "a.py") -> list[Message]:
    call = RawCall("read", f'{{"path": "{argument}", "n": {number}}}', f"c{number}")
    text = result or f"result {number}: " + "line of code\n" * 60
    return [
        Message("assistant", f"I look at {number}.", (call,)),
        Message("tool", text, call_id=f"c{number}"),
    ]


def session(turns: int) -> list[Message]:
    return [SYSTEM, GOAL, *(message for n in range(turns) for message in turn(n))]


def size(messages: tuple[Message, ...]) -> int:
    return sum(each.size_bytes for each in rounds_of(messages))


def test_a_history_that_fits_is_not_touched() -> None:
    messages = session(3)
    assert fold_history(messages, room_bytes=50_000) == FoldedHistory(messages=tuple(messages))


def test_the_newest_round_is_whole_and_older_ones_begin_as_they_did() -> None:
    messages = session(40)
    folded = fold_history(messages, room_bytes=10_000)
    assert size(folded.messages) <= 10_000
    assert folded.messages[-2:] == tuple(messages[-2:])
    assert folded.messages[0] == SYSTEM
    assert folded.messages[1].content.startswith(GOAL.content)
    assert any("more characters" in message.content for message in folded.messages)
    assert folded.note


def test_the_size_does_not_grow_with_the_history() -> None:
    sizes = [size(fold_history(session(turns), room_bytes=10_000).messages) for turns in range(20, 300, 20)]
    assert max(sizes) <= 10_000


def test_most_prompts_begin_as_the_one_before() -> None:
    same = 0
    for turns in range(30, 90):
        before = fold_history(session(turns), room_bytes=20_000).messages
        after = fold_history(session(turns + 1), room_bytes=20_000).messages
        same += after[: len(before)] == before
    assert same >= 45, "of 60 requests"


def test_a_result_that_is_larger_than_the_room_shows_both_its_ends() -> None:
    huge = "first " + "x" * 100_000 + " last"
    folded = fold_history([GOAL, *turn(1, huge)], room_bytes=5_000)
    text = folded.messages[-1].content
    assert size(folded.messages) <= 5_000
    assert text.startswith("first")
    assert text.endswith("last")
    assert folded.cut == 1


def test_instructions_are_never_cut_even_if_nothing_else_fits() -> None:
    users = [Message("user", f"instruction {n} " * 100) for n in range(4)]
    messages = [SYSTEM, users[0], *turn(1), users[1], *turn(2), users[2], *turn(3), users[3]]
    folded = fold_history(messages, room_bytes=500)
    kept = "\n".join(message.content for message in folded.messages)
    assert all(message.content in kept for message in (SYSTEM, *users))


def test_what_is_left_out_is_counted_by_tool() -> None:
    folded = fold_history(session(200), room_bytes=6_000)
    assert folded.left_out > 100
    assert f"{folded.left_out} earlier turns" in folded.messages[1].content
    assert "read" in folded.messages[1].content


_WORDS = st.text(alphabet="abc \n", max_size=900)
_ROUNDS = st.lists(st.tuples(st.sampled_from(["user", "call", "words"]), _WORDS), max_size=25)


@given(rounds=_ROUNDS, room=st.integers(200, 6000))
def test_every_history_stays_valid_and_keeps_the_words_of_the_user(
    rounds: list[tuple[str, str]], room: int
) -> None:
    messages = [SYSTEM, GOAL]
    for number, (kind, text) in enumerate(rounds):
        match kind:
            case "user":
                messages.append(Message("user", f"u{number} {text}"))
            case "words":
                messages.append(Message("assistant", f"w{number} {text}"))
            case _:
                messages += turn(number, f"r{number} {text}", text.replace("\n", " "))
    folded = fold_history(messages, room_bytes=room)
    pending: list[str] = []
    for message in folded.messages:
        if message.role == "tool":
            assert message.call_id == pending.pop(0)
            continue
        assert pending == []
        pending = [call.call_id for call in message.calls]
    assert pending == []
    said = "\n".join(message.content for message in folded.messages if message.role == "user")
    assert all(message.content in said for message in messages if message.role == "user")
