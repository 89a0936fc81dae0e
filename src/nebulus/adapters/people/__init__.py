"""People who decide, and their absence."""

from nebulus.adapters.people.absent import AbsentPerson
from nebulus.adapters.people.terminal import TerminalPerson

__all__ = ["AbsentPerson", "TerminalPerson"]
