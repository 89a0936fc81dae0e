"""The kinds of lines about a run, and one line."""

from enum import StrEnum

from msgspec import Struct


class LineKind(StrEnum):
    """What a line is about; a screen chooses a mark and a colour by it."""

    GOAL = "goal"
    PLAN = "plan"
    ROUTE = "route"
    """Which tier is asked, and why."""
    PROPOSAL = "proposal"
    EDIT = "edit"
    """What had to be changed in an answer to parse it, without loss."""
    VALUES = "values"
    CLAIM = "claim"
    ANSWER = "answer"
    """The result that the goal asks for."""
    FINDING = "finding"
    ALLOWED = "allowed"
    REFUSED = "refused"
    DROPPED = "dropped"
    QUESTION = "question"
    REPLY = "reply"
    RESULT = "result"
    """What a tool returned."""
    FAILURE = "failure"
    UNKNOWN = "unknown"
    RECOVERY = "recovery"
    """What is done about a failure."""
    ESCALATION = "escalation"
    CHECKED = "checked"
    UNMET = "unmet"
    WAITED = "waited"
    STEP_DONE = "step done"
    STEP_FAILED = "step failed"


class ReportLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that an event says.

    `position` is that of the event in the journal; `step` is 0 if it concerns no step; `call_id` is "" if it concerns
    no call; `cost` is what the event cost, in words.
    """

    kind: LineKind
    text: str
    position: int
    step: int = 0
    call_id: str = ""
    cost: str = ""
