"""A person at a terminal.

Invariants: what a model or a tool wrote can't forge the prompt: it is shown without control characters, each
line behind a bar; an approval needs a y; when a stream ends, nobody is there.
"""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from nebulus.core.outcome import Question
from nebulus.ports.guard import PersonReply

ReadLine: TypeAlias = Callable[[], str]
"""Blocks, and returns the next line with its line end, "" at the end of the stream."""
Write: TypeAlias = Callable[[str], object]
"""Shows text at once."""

_YES = frozenset({"y", "yes"})
_NO = frozenset({"n", "no"})
_TRIES = 3
_SHOWN_CHARS = 4000


class TerminalPerson:
    """Asks through two streams; `name` is who is recorded as having answered."""

    def __init__(self, *, read_line: ReadLine, write: Write, name: str = "terminal") -> None:
        self._read_line = read_line
        self._write = write
        self._name = name
        self._one_at_a_time = asyncio.Lock()

    async def ask(self, question: Question) -> PersonReply | None:
        """Show the question and wait for a line; None if the stream ended.

        An approval is refused by an empty line, and by any other that is not a yes: then the line is the
        person's word to the model. Whether an effect happened needs a y or an n. Anything else wants words.
        """
        async with self._one_at_a_time:
            self._write(shown(question))
            match question.kind:
                case "approval":
                    return await self._approval()
                case "unknown_outcome":
                    return await self._fact()
                case _:
                    return await self._words()

    async def _approval(self) -> PersonReply | None:
        line = await self._line("Allow it? [y/N] ")
        if line is None:
            return None
        is_bare = line.lower() in _YES | _NO
        return PersonReply(is_yes=line.lower() in _YES, text="" if is_bare else line, by=self._name)

    async def _fact(self) -> PersonReply | None:
        for _ in range(_TRIES):
            line = await self._line("[y/n] ")
            if line is None:
                return None
            if line.lower() in _YES | _NO:
                return PersonReply(is_yes=line.lower() in _YES, by=self._name)
            self._write("Please answer y or n.\n")
        return None

    async def _words(self) -> PersonReply | None:
        line = await self._line("> ")
        return None if line is None else PersonReply(is_yes=bool(line), text=line, by=self._name)

    async def _line(self, prompt: str) -> str | None:
        self._write(prompt)
        line = await asyncio.to_thread(self._read_line)
        return line.strip() if line else None


def shown(question: Question) -> str:
    """Return a question as lines for a terminal: what it is about, each foreign line behind a bar."""
    lines = ["", *_barred("", question.text)]
    for label, value in (
        ("tool", question.tool),
        ("arguments", question.arguments),
        ("why", question.reason),
    ):
        if value:
            lines += _barred(f"{label}: ", value)
    return "\n".join(lines) + "\n"


def _barred(label: str, text: str) -> list[str]:
    cut = text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]} [... {len(text)} characters in all]"
    first, *rest = cut.split("\n")
    return [f"  | {label}{_plain(first)}", *(f"  | {' ' * len(label)}{_plain(line)}" for line in rest)]


def _plain(line: str) -> str:
    """Return `line` with every character escaped that could move the cursor, or colour, hide or reverse text."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in line
    )
