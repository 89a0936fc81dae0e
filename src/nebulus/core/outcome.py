"""How a run ends: in exactly one of these."""

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from nebulus.core.budget import Spent
from nebulus.core.failure import Failure


class Proof(StrEnum):
    """Who says so: code, or the model."""

    PROVEN = "proven"
    CLAIMED = "claimed"


class Evidence(Struct, frozen=True, omit_defaults=True):
    """One thing that was checked: the check in words, whether code saw it hold, and the position."""

    what: str
    is_proven: bool
    position: int = 0


class Question(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that a person must decide. `kind` is approval, unknown_outcome or question; `rule` asks.

    `digest` binds an answer to this question: run, step, call, labels and policy.
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
    """The goal is met: proven by code, or claimed by the model."""

    proof: Proof
    summary: str = ""
    evidence: tuple[Evidence, ...] = ()


class Blocked(Struct, frozen=True, tag=True, kw_only=True):
    """A person must answer before the run can go on."""

    question: Question


class Refused(Struct, frozen=True, tag=True, kw_only=True):
    """The policy, or a person, forbids what the step needs."""

    rule: str
    reason: str
    step: int = 0


class Exhausted(Struct, frozen=True, tag=True, kw_only=True):
    """A budget is spent; `undone` names the steps that are left."""

    resource: str
    limit: float
    spent: Spent
    undone: tuple[str, ...] = ()


class Failed(Struct, frozen=True, tag=True, kw_only=True):
    """Something broke that no strategy could mend."""

    failure: Failure
    step: int = 0


Outcome: TypeAlias = Done | Blocked | Refused | Exhausted | Failed
