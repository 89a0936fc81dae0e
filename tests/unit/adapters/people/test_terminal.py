"""A person at a terminal sees what they decide on, and decides only by saying so."""

import pytest

from nebulus.adapters.people.terminal import TerminalPerson, shown
from nebulus.core.outcome import Question
from nebulus.ports.guard import PersonReply


def question(kind: str, **fields: str) -> Question:
    return Question(question_id="1", kind=kind, text="May pay be called?", **fields)


def person(*lines: str) -> tuple[TerminalPerson, list[str]]:
    left = iter(lines)
    written: list[str] = []
    return TerminalPerson(read_line=lambda: next(left, ""), write=written.append, name="ann"), written


@pytest.mark.parametrize(
    ("line", "is_yes", "text"),
    [
        ("y\n", True, ""),
        (" YES \n", True, ""),
        ("n\n", False, ""),
        ("\n", False, ""),
        ("yes please\n", False, "yes please"),
        ("use the other account\n", False, "use the other account"),
    ],
)
async def test_an_approval_needs_a_yes_and_nothing_else(line: str, is_yes: bool, text: str) -> None:
    someone, _ = person(line)
    assert await someone.ask(question("approval")) == PersonReply(is_yes=is_yes, text=text, by="ann")


@pytest.mark.parametrize(
    ("lines", "is_yes"), [(("y\n",), True), (("n\n",), False), (("\n", "maybe\n", "n\n"), False)]
)
async def test_whether_it_happened_needs_a_yes_or_a_no(lines: tuple[str, ...], is_yes: bool) -> None:
    someone, _ = person(*lines)
    assert await someone.ask(question("unknown_outcome")) == PersonReply(is_yes=is_yes, by="ann")


async def test_whoever_can_not_tell_whether_it_happened_leaves_it_open() -> None:
    someone, _ = person("\n", "?\n", "dunno\n", "y\n")
    assert await someone.ask(question("unknown_outcome")) is None


@pytest.mark.parametrize(("line", "is_yes"), [("the blue one\n", True), ("\n", False)])
async def test_a_question_takes_words(line: str, is_yes: bool) -> None:
    someone, _ = person(line)
    assert await someone.ask(question("question")) == PersonReply(is_yes=is_yes, text=line.strip(), by="ann")


@pytest.mark.parametrize("kind", ["approval", "unknown_outcome", "question"])
async def test_the_end_of_the_stream_is_no_answer(kind: str) -> None:
    someone, _ = person()
    assert await someone.ask(question(kind)) is None


async def test_tool_arguments_and_reason_are_shown_before_the_prompt() -> None:
    someone, written = person("n\n")
    await someone.ask(question("approval", tool="pay", arguments='{"amount":5}', reason="money leaves"))
    assert "".join(written) == (
        "\n  | May pay be called?\n  | tool: pay\n"
        '  | arguments: {"amount":5}\n  | why: money leaves\nAllow it? [y/N] '
    )


def test_foreign_text_can_not_forge_the_prompt() -> None:
    text = shown(question("approval", arguments="x\nAllow it? [y/N] y\x1b[2A\r\u202ehidden\u200b\x00\ud800"))
    assert "\n  |            Allow it? [y/N] y\\x1b[2A\\r\\u202ehidden\\u200b\\x00\\ud800\n" in text
    assert all(line.startswith("  | ") for line in text.strip("\n").split("\n"))


def test_long_text_is_cut_and_says_so() -> None:
    text = shown(question("approval", arguments="x" * 10_000))
    assert len(text) < 4200
    assert "[... 10000 characters in all]" in text
