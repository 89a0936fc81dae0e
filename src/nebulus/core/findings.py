"""The result of parsing an answer: proposals that are certainly meant and valid, or one finding."""

from enum import IntEnum, StrEnum
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace


class FindingKind(StrEnum):
    """What was wrong with an answer."""

    EMPTY = "empty"
    TRUNCATED = "truncated"
    UNREADABLE = "unreadable"
    AMBIGUOUS = "ambiguous"
    UNCONFIRMED = "unconfirmed"
    """It contains a call, on less evidence than its tool needs: one constrained question decides."""
    NO_CALL = "no_call"
    UNKNOWN_TOOL = "unknown_tool"
    INVALID_ARGUMENTS = "invalid_arguments"
    UNGROUNDED = "ungrounded"
    ARGUMENT_MISMATCH = "argument_mismatch"
    """A value of the call differs from what the step assigns."""
    TOO_MANY_CALLS = "too_many_calls"
    BAD_PLAN = "bad_plan"
    CHECK_FAILED = "check_failed"
    REFUSED = "refused"
    TOOL_FAILED = "tool_failed"
    NO_PROGRESS = "no_progress"
    """It proposes what was done before, with the same result."""
    UNUSED = "unused"
    """It ends the work, and something that the goal names was not used by any call."""
    MISSING = "missing"
    """It ends the work, and a file that the goal names was looked for in vain."""
    DISHONEST_CLAIM = "dishonest_claim"
    """It says something that the call history contradicts."""
    GAVE_UP = "gave_up"
    """It says that it can't."""
    ASKED = "asked"
    """It asks a question and does nothing."""


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One precise complaint: what rule was broken, where (a JSON pointer), by which value, what would fix it."""

    kind: FindingKind
    rule: str
    where: str = ""
    value: str = ""
    fix: str = ""
    tool: str = ""

    def lesson(self) -> str:
        """Return the finding for the next prompt, without a value that was copied from the wrong place.

        A small model copies what it sees; a wrong value in its prompt makes the same mistake more likely.
        """
        is_miscopied = self.kind in (
            FindingKind.UNGROUNDED,
            FindingKind.ARGUMENT_MISMATCH,
        )
        return replace(self, value="").sentence() if is_miscopied else self.sentence()

    def sentence(self) -> str:
        """Return the finding as one line, for a model or a person."""
        place = f" at {self.where}" if self.where else ""
        value = f", got {self.value}" if self.value else ""
        fix = f"; {self.fix}" if self.fix else ""
        return f"{self.rule}{place}{value}{fix}"


class Edit(Struct, frozen=True, omit_defaults=True):
    """One loss-free change that the reader made: its name, where, and the piece before and after."""

    name: str
    where: str = ""
    before: str = ""
    after: str = ""


class Call(Struct, frozen=True, omit_defaults=True):
    """A parsed call, valid for its tool's schema. `call_id` comes from the position in the journal."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    call_id: str = ""


class CallEvidence(IntEnum):
    """How certain it is that a call in an answer is meant, weakest first.

    Words are *known* where they only announce or explain the call. All other words, in any language, leave
    a doubt.
    """

    REFUTED = 0
    """It is quoted, in code or in a comment, wrapped in a foreign tag, an echo, or behind another role's mark."""
    UNMARKED = 1
    """It has no marks of a call, and words are around it that are not known."""
    MARKED = 2
    """It has marks, and words are around it that are not known or that take it back."""
    OPENS = 3
    """It opens the answer, or words announce it, and an explanation may follow; nothing takes it back."""
    ANNOUNCED = 4
    """It has marks, words announce it, and nothing follows."""
    WHOLE = 5
    """The answer is nothing but calls, or the server itself returned the call apart from the text."""
    CONSTRAINED = 6
    """A grammar left the model no choice but a call."""


class Mention(Struct, frozen=True):
    """A piece of an answer that looks like a call and was taken as words, and why."""

    text: str
    why: str


class Reading(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one answer says: calls, or words alone, or a finding; never a finding and calls."""

    calls: tuple[Call, ...] = ()
    evidence: tuple[CallEvidence, ...] = ()
    """On what evidence each of `calls` was accepted, in the same order."""
    text: str = ""
    dialect: str = ""
    edits: tuple[Edit, ...] = ()
    mentions: tuple[Mention, ...] = ()
    """Pieces that look like calls and are words."""
    finding: Finding | None = None
