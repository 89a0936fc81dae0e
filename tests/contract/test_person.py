"""What every person promises: a yes is a yes that somebody gave, and silence is none."""

from typing import Protocol

import pytest

from nebulus.adapters.people import AbsentPerson, TerminalPerson
from nebulus.core.outcome import Question
from nebulus.ports.guard import Person
from nebulus.testing.people import NO, YES, ScriptedPerson

APPROVAL = Question(question_id="1", kind="approval", text="May pay be called?", tool="pay", arguments="{}")


class Make(Protocol):
    def __call__(self, *answers: bool) -> Person: ...


def at_a_terminal(*answers: bool) -> Person:
    lines = iter("y\n" if answer else "n\n" for answer in answers)
    return TerminalPerson(read_line=lambda: next(lines, ""), write=lambda text: None)


def scripted(*answers: bool) -> Person:
    return ScriptedPerson(YES if answer else NO for answer in answers)


@pytest.mark.parametrize("make", [at_a_terminal, scripted])
async def test_answers_come_in_order_and_say_who_gave_them(make: Make) -> None:
    person = make(True, False)
    first, second = await person.ask(APPROVAL), await person.ask(APPROVAL)
    assert first is not None
    assert second is not None
    assert (first.is_yes, second.is_yes) == (True, False)
    assert first.by


@pytest.mark.parametrize("person", [at_a_terminal(), scripted(), AbsentPerson()])
async def test_where_nobody_is_there_is_no_answer(person: Person) -> None:
    assert await person.ask(APPROVAL) is None
    assert await person.ask(APPROVAL) is None
