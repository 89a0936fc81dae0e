"""Nobody."""

from nebulus.core.outcome import Question
from nebulus.ports.guard import PersonReply


class AbsentPerson:
    """Nobody is there: every question stays open, and the run waits for an answer."""

    async def ask(self, question: Question) -> PersonReply | None:
        """Return None at once."""
        return None
