"""What a client gets: an answer that may be used, or a failure; both with the account of what it took.

Invariant: `usage` is the sum over all attempts.
"""

from typing import TypeAlias

from msgspec import Struct

from nebulus.core.answers import FinishReason, Usage
from nebulus.core.failure import Failure
from nebulus.core.findings import Call


class Attempt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request to a model server: who was asked, and what came of it."""

    tier: str
    model: str = ""
    result: str
    """`accepted`, or the kind of the finding or the failure."""
    why: str = ""
    usage: Usage = Usage()
    waited_s: float = 0.0
    """How long was waited before the next attempt, in seconds."""


class Account(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that an answer took, and what was changed on the way."""

    attempts: tuple[Attempt, ...] = ()
    notes: tuple[str, ...] = ()
    """What was changed in the client's request, or left out of the model's answer."""

    @property
    def usage(self) -> Usage:
        """The tokens of all attempts."""
        spent = [attempt.usage for attempt in self.attempts]
        return Usage(
            prompt_tokens=sum(usage.prompt_tokens for usage in spent),
            completion_tokens=sum(usage.completion_tokens for usage in spent),
            cached_tokens=sum(usage.cached_tokens for usage in spent),
            reasoning_tokens=sum(usage.reasoning_tokens for usage in spent),
        )


class Reply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer: words, calls, or both. `tier` is the one that gave it."""

    tier: str
    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    finish: FinishReason = FinishReason.STOP
    stop: str = ""
    """The stop sequence that ended it, "" if none did."""
    account: Account = Account()


class NoReply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """No answer that may be used."""

    failure: Failure
    account: Account = Account()


Answered: TypeAlias = Reply | NoReply
