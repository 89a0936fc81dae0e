"""What can be decided about a failure: one value for each strategy of recovery."""

from typing import Literal, TypeAlias

from msgspec import Struct

Side: TypeAlias = Literal["model", "tool"]
"""Whose failure it is: the model server's and the answer's, or the tool's."""


class AskAgain(Struct, frozen=True, tag=True):
    """Ask the same tier again, with something changed and the finding said in one line."""


class WaitAndRetry(Struct, frozen=True, tag=True):
    """Let `seconds` pass, then do the same again."""

    seconds: float


class Reread(Struct, frozen=True, tag=True):
    """Ask for a look at the world before the next change."""


class OtherTool(Struct, frozen=True, tag=True):
    """Ask again without the tool that failed."""


class Escalate(Struct, frozen=True, tag=True):
    """Hand the step to the next tier."""


class Replan(Struct, frozen=True, tag=True):
    """Ask for other steps from here on."""


class AskPersonFirst(Struct, frozen=True, tag=True):
    """Ask a person whether the cause is mended."""


class GiveUp(Struct, frozen=True, tag=True):
    """Stop loudly: nothing is left to try."""


Strategy: TypeAlias = (
    AskAgain | WaitAndRetry | Reread | OtherTool | Escalate | Replan | AskPersonFirst | GiveUp
)
