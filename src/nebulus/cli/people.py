"""Who answers when a person is asked: somebody at the terminal, a flag that was given, or nobody.

Invariant: nobody's yes is ever made up; a flag's yes is shown on the screen and recorded as the flag's.
"""

import select
import sys
from collections.abc import Callable

from nebulus.adapters.people.terminal import TerminalPerson
from nebulus.cli.watch import Face
from nebulus.core.outcome import Question
from nebulus.ports.guard import Person, PersonReply
from nebulus.report.text import one_line

_LOOK_S = 0.2
"""How often a waiting prompt looks whether it was given up: what a person takes for "at once"."""


class InterruptiblePerson:
    """Asks on stderr and reads from stdin, while the live progress is taken away."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._is_given_up = False
        self._person = TerminalPerson(read_line=self._read_line, write=_write)

    async def ask(self, question: Question) -> PersonReply | None:
        """Ask; None if the input ended."""
        try:
            with self._face.aside():
                return await self._person.ask(question)
        finally:
            self._is_given_up = True

    def _read_line(self) -> str:
        """Wait for a line, and let go once nobody waits for it any more (Ctrl-C)."""
        self._is_given_up = False
        while not self._is_given_up:
            if select.select([sys.stdin], [], [], _LOOK_S)[0]:
                return sys.stdin.readline()
        return ""


class AutoApproval:
    """Says yes to approvals in the name of a flag or of the demo, and shows that it does."""

    def __init__(self, tell: Callable[[str], None], *, name: str) -> None:
        self._tell, self._name = tell, name

    async def ask(self, question: Question) -> PersonReply | None:
        """Say yes to an approval; None to anything else: a flag can't know what happened."""
        if question.kind != "approval":
            return None
        self._tell(
            f"{self._name} says yes: {question.tool} {one_line(question.arguments)} ({one_line(question.reason)})"
        )
        return PersonReply(is_yes=True, by=self._name)


def choose_person(
    face: Face, *, says_yes: bool, is_interactive: bool, tell: Callable[[str], None]
) -> Person | None:
    """Return who is asked: the flag, the terminal, or None for nobody."""
    if says_yes:
        return AutoApproval(tell, name="--yes")
    return InterruptiblePerson(face) if is_interactive else None


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
