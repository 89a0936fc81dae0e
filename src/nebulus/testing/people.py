"""A person who answers from a script."""

from collections.abc import Iterable

from nebulus.core.outcome import Question
from nebulus.ports.guard import PersonReply

YES = PersonReply(is_yes=True, by="script")
NO = PersonReply(is_yes=False, by="script")


class ScriptedPerson:
    """Gives the replies in order; None means that nobody is available, as does the end of the list.

    `asked` lists the questions that were asked.
    """

    def __init__(self, replies: Iterable[PersonReply | None] = ()) -> None:
        self._replies = iter(tuple(replies))
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> PersonReply | None:
        """Return the next reply."""
        self.asked.append(question)
        return next(self._replies, None)
