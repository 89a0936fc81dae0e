"""How a run ends: in exactly one of these. `str(outcome)` is the answer, or one sentence about the end."""

from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

import msgspec
from msgspec import Struct

from nebulus.core.budget import Spent
from nebulus.core.failure import Failure
from nebulus.core.result import Result


class Proof(StrEnum):
    """Who says so: code, or the model."""

    PROVEN = "proven"
    CLAIMED = "claimed"


class Evidence(Struct, frozen=True, omit_defaults=True):
    """One thing that was checked: the check in words, whether code found it to be true, and the position."""

    what: str
    is_proven: bool
    position: int = 0


class Question(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that a person must decide. `kind` is approval, unknown_outcome or question.

    `rule` names the rule that requires the decision. `digest` binds an answer to this question: run, step,
    call, labels and policy.
    """

    question_id: str
    kind: str
    text: str
    tool: str = ""
    arguments: str = ""
    reason: str = ""
    rule: str = ""
    digest: str = ""
    run_id: str = ""
    step: int = 0


class Done(Struct, frozen=True, tag=True, kw_only=True):
    """The goal is met: proven by code, or claimed by the model. `result` is the answer, if one was asked for."""

    proof: Proof
    summary: str = ""
    evidence: tuple[Evidence, ...] = ()
    result: Result | None = None

    @property
    def answer(self) -> Any:
        """The answer: text, or decoded JSON; None where none was asked for."""
        return self.result.value if self.result is not None else None

    def __str__(self) -> str:
        match self.answer:
            case None:
                return f"{self.proof.value.capitalize()}: {self.summary}"
            case str() as text:
                return text
            case value:
                return msgspec.json.encode(value).decode()


class _NotDone(Struct, frozen=True):
    """An outcome without an answer."""

    answer: ClassVar[None] = None


class Blocked(_NotDone, frozen=True, tag=True, kw_only=True):
    """A person must answer before the run can go on."""

    question: Question

    def __str__(self) -> str:
        reason = f" ({self.question.reason})" if self.question.reason else ""
        return f"Blocked: {self.question.text}{reason}"


class Refused(_NotDone, frozen=True, tag=True, kw_only=True):
    """The policy, or a person, forbids what the step needs."""

    rule: str
    reason: str
    step: int = 0

    def __str__(self) -> str:
        return f"Refused by {self.rule}: {self.reason}"


class Exhausted(_NotDone, frozen=True, tag=True, kw_only=True):
    """A budget is used up; `undone` names the steps that are left."""

    resource: str
    limit: float
    spent: Spent
    undone: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"Exhausted: {self.limit:g} {self.resource} spent, {len(self.undone)} steps left"


class Failed(_NotDone, frozen=True, tag=True, kw_only=True):
    """Something broke that no recovery strategy could fix."""

    failure: Failure
    step: int = 0

    def __str__(self) -> str:
        return f"Failed: {self.failure.sentence()}"


Outcome: TypeAlias = Done | Blocked | Refused | Exhausted | Failed
