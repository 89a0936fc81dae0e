"""The one failure type that library, proxy, CLI and web share.

Invariant: every failure is a value that somebody must handle.
"""

from enum import StrEnum

from msgspec import Struct


class FailureKind(StrEnum):
    """What went wrong, by class; recovery maps each class to a strategy."""

    THROTTLED = "throttled"
    TRANSIENT = "transient"
    TIMEOUT = "timeout"
    INVALID_ARGUMENTS = "invalid_arguments"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    PERMISSION = "permission"
    POLICY_REFUSAL = "policy_refusal"
    EXHAUSTED_BUDGET = "exhausted_budget"
    MALFORMED_ANSWER = "malformed_answer"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    PROMPT_CUT = "prompt_cut"
    """The server evaluated fewer prompt tokens than we sent."""
    PROMPT_TOO_LARGE = "prompt_too_large"
    TOOLS_DROPPED = "tools_dropped"
    """The tools never reached the prompt."""
    FORM_IGNORED = "form_ignored"
    """The request asked for structure, and the server ignored it."""
    CHECK_FAILED = "check_failed"
    """The work ended, and a check shows that it is not done."""
    NO_PROGRESS = "no_progress"
    DISAGREEMENT = "disagreement"
    """Tries of the same goal ended in different ways."""
    DISHONEST_CLAIM = "dishonest_claim"
    UNKNOWN_OUTCOME = "unknown_outcome"
    PERMANENT = "permanent"
    OURS = "ours"


class Fault(StrEnum):
    """Whose fault a failure is."""

    MODEL = "model"
    TOOL = "tool"
    POLICY = "policy"
    BUDGET = "budget"
    BACKEND = "backend"
    CONTRACT = "contract"
    RUNTIME = "runtime"


class Recognised(StrEnum):
    """How the class of a failure was found, the most certain way first."""

    STRUCTURE = "structure"
    """By a status, a code, the type of an exception, or a schema."""
    DECLARED = "declared"
    """Stated by the tool or the server itself."""
    TEXT = "text"
    """By words in a message: a useful guess, but never a reason to believe that nothing happened."""


RETRYABLE = frozenset({FailureKind.THROTTLED, FailureKind.TRANSIENT, FailureKind.TIMEOUT})


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened, with which value, whose fault, what would fix it, and the evidence.

    `evidence` lists journal positions. `retry_after_s` is what the server itself asked for (0 for nothing).
    `recognised` says how `kind` was found.
    """

    kind: FailureKind
    fault: Fault
    what: str
    value: str = ""
    fix: str = ""
    attempts: int = 1
    retry_after_s: float = 0.0
    evidence: tuple[int, ...] = ()
    recognised: Recognised = Recognised.STRUCTURE

    @property
    def is_retryable(self) -> bool:
        """Whether the same thing may be tried again after a wait."""
        return self.kind in RETRYABLE

    def sentence(self) -> str:
        """Return the failure as one line for a person."""
        value = f" ({self.value})" if self.value else ""
        fix = f"; {self.fix}" if self.fix else ""
        return f"{self.kind.value}: {self.what}{value}{fix}"
