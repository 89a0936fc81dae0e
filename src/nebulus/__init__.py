"""Nebulus: a runtime that lets small local language models do real agent work.

from nebulus import Agent, tool
"""

from nebulus.adapters.tools.function import tool
from nebulus.app.agent import Agent
from nebulus.core.budget import Budget
from nebulus.core.outcome import Blocked, Done, Exhausted, Failed, Outcome, Refused

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "Blocked",
    "Budget",
    "Done",
    "Exhausted",
    "Failed",
    "Outcome",
    "Refused",
    "__version__",
    "tool",
]
