"""Nebulus: a runtime that lets small local language models do real agent work.

from nebulus import Agent, tool
"""

from nebulus.adapters.tools.function import ToolOptions, tool
from nebulus.adapters.tools.parameters import IdempotencyKey
from nebulus.app.agent import Agent
from nebulus.app.forecasting import ForecastReport
from nebulus.app.workers import worker
from nebulus.core.budget import Budget
from nebulus.core.commands import Command, Finish, RunTool
from nebulus.core.errors import NebulusError
from nebulus.core.events import Event
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.journal import Record
from nebulus.core.outcome import Blocked, Done, Exhausted, Failed, Outcome, Question, Refused
from nebulus.core.plan import Check, Goal, Plan, Step
from nebulus.core.result import FieldSource, Result
from nebulus.core.tools import Effect, ToolSpec
from nebulus.delegation.contract import WorkerSpec
from nebulus.loop.machine import Machine
from nebulus.ports.backend import ModelBackend
from nebulus.ports.engine import RunInfo, RunStatus
from nebulus.ports.guard import Person, PersonReply, Policy
from nebulus.ports.tool import Tool, ToolOutput
from nebulus.ports.world import Observer
from nebulus.runtime.handle import RunHandle

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "Blocked",
    "Budget",
    "Check",
    "Command",
    "Done",
    "Effect",
    "Event",
    "Exhausted",
    "Failed",
    "Failure",
    "FailureKind",
    "Fault",
    "FieldSource",
    "Finish",
    "ForecastReport",
    "Goal",
    "IdempotencyKey",
    "Machine",
    "ModelBackend",
    "NebulusError",
    "Observer",
    "Outcome",
    "Person",
    "PersonReply",
    "Plan",
    "Policy",
    "Question",
    "Record",
    "Refused",
    "Result",
    "RunHandle",
    "RunInfo",
    "RunStatus",
    "RunTool",
    "Step",
    "Tool",
    "ToolOptions",
    "ToolOutput",
    "ToolSpec",
    "WorkerSpec",
    "__version__",
    "tool",
    "worker",
]
