"""The recovery strategies: one value for each way to react to a failure."""

from typing import Literal, TypeAlias

from msgspec import Struct

Side: TypeAlias = Literal["model", "tool"]
"""Whose failure it is: the model server's and the answer's, or the tool's."""


class AskAgain(Struct, frozen=True, tag=True):
    """Ask the same tier again, with something changed and the finding given in one line."""


class WaitAndRetry(Struct, frozen=True, tag=True):
    """Wait for `seconds`, then do the same again."""

    seconds: float


class Reread(Struct, frozen=True, tag=True):
    """Ask for a read of the world before the next change."""


class OtherTool(Struct, frozen=True, tag=True):
    """Ask again without the tool that failed."""


class Escalate(Struct, frozen=True, tag=True):
    """Give the step to the next tier."""


class Replan(Struct, frozen=True, tag=True):
    """Ask for a new plan from here on."""


class AskPersonFirst(Struct, frozen=True, tag=True):
    """Ask a person whether the cause is fixed."""


class GiveUp(Struct, frozen=True, tag=True):
    """Stop with a failure: nothing is left to try."""


Strategy: TypeAlias = (
    AskAgain | WaitAndRetry | Reread | OtherTool | Escalate | Replan | AskPersonFirst | GiveUp
)
