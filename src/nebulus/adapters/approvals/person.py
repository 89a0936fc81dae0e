"""A person who may answer later, and from elsewhere."""

import asyncio
from contextlib import suppress

from nebulus.adapters.approvals.store import ApprovalStore
from nebulus.core.errors import ConfigError
from nebulus.core.outcome import Question
from nebulus.ports.guard import Person, PersonReply

_LOOK_S = 0.5
"""How often a run that waits looks whether somebody answered."""


class StoredPerson:
    """Takes the answer from `store`; else asks `here`, if somebody is; else waits `wait_s` for the store.

    A question that nobody answers stays in the store, to be answered from any process.
    """

    def __init__(self, store: ApprovalStore, here: Person | None = None, *, wait_s: float = 0.0) -> None:
        self._store, self._here, self._wait_s = store, here, wait_s

    async def ask(self, question: Question) -> PersonReply | None:
        """Return an answer to exactly this question; None if nobody gave one yet.

        Raises:
            StoreError: the store did not answer.
        """
        if not question.digest:
            return await self._here.ask(question) if self._here else None
        known = await asyncio.to_thread(self._store.take, question)
        if known is not None:
            return known
        if self._here is not None:
            said = await self._here.ask(question)
            if said is not None:
                return await asyncio.to_thread(self._settle, question, said)
        return await self._wait(question)

    def _settle(self, question: Question, said: PersonReply) -> PersonReply | None:
        """Record what was said here and use it up; what somebody else said first counts."""
        with suppress(
            ConfigError
        ):  # Answered from elsewhere, or too late: the store has the answer that counts.
            self._store.answer(question.digest, said)
        return self._store.take(question)

    async def _wait(self, question: Question) -> PersonReply | None:
        left_s = self._wait_s
        while left_s > 0:
            await asyncio.sleep(min(_LOOK_S, left_s))
            left_s -= _LOOK_S
            known = await asyncio.to_thread(self._store.take, question)
            if known is not None:
                return known
        return None
