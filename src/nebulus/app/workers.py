"""Workers: runs that do a piece of work for another run, under a contract, as its tools."""

import posixpath
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from nebulus.adapters.tools.results import output_of
from nebulus.app.results import result_spec
from nebulus.core.authority import Authority, HandedBack, HandOver
from nebulus.core.budget import Budget, Spent
from nebulus.core.errors import ConfigError, NebulusError, RunBusyError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.outcome import Outcome, Question
from nebulus.core.plan import Check
from nebulus.core.text import nearest
from nebulus.core.tools import ToolSpec
from nebulus.delegation.contract import Contract, WorkerSpec, contract
from nebulus.delegation.envelope import handed_back
from nebulus.ports.tool import Handed, Tool, ToolOutput

WORKER = "worker"
"""In a run's place: who it works for, as `Hired`."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
CarryOut: TypeAlias = Callable[[Contract], Awaitable[tuple[Outcome, Spent]]]
"""Lets a run carry out a contract, to its end: how it ended, and what it spent for that."""


class Hired(Struct, frozen=True, kw_only=True):
    """What a worker's run keeps of its contract, so that any process that resumes it is bound by it."""

    agent: str
    authority: Authority

    def encoded(self) -> str:
        """Return this as text."""
        return msgspec.json.encode(self).decode()


def hired(place: Mapping[str, str]) -> Hired | None:
    """Return the contract of the run of this place; None for a run that works for no other."""
    return msgspec.json.decode(place[WORKER], type=Hired) if WORKER in place else None


def worker(
    name: str,
    goal: str,
    *,
    description: str = "",
    inputs: Mapping[str, Any] | None = None,
    tools: Sequence[str] = (),
    paths: Sequence[str] = (),
    constraints: Sequence[str] = (),
    checks: Sequence[Check] = (),
    result: Any = None,
    budget: Budget | None = None,
    timeout_s: float = 3600.0,
) -> WorkerSpec:
    """Describe a worker that an agent may hand work over to, as `Agent(workers=[...])`.

    `goal` is what it does, in your words; what the agent hands over is data: `inputs` are its names and types. `tools` and
    `paths` (folders and files of the workspace; empty for all of it) are all that it may use, and never more than the run
    that hands over. `result` is the type of what it returns. `budget` limits one piece of work, and comes off the
    budget of the run that hands over.

        lookup = worker(
            "lookup",
            "Find the price of the product in the price list.",
            inputs={"product": str},
            tools=["read_file", "search_files"],
            paths=["prices"],
            result=float,
        )

    Raises:
        ConfigError: the name, the goal, or a type can't be used.
    """
    _require_sense(name, goal, timeout_s=timeout_s)
    kinds = dict(inputs or {})
    return WorkerSpec(
        name=name,
        description=description or goal,
        goal=goal,
        inputs={
            "type": "object",
            "properties": {
                key: result_spec(kind).schema or {"type": "string"} for key, kind in kinds.items()
            },
            "required": list(kinds),
            "additionalProperties": False,
        },
        tools=tuple(tools),
        paths=tuple(_path(name, path) for path in paths),
        constraints=tuple(constraints),
        checks=tuple(checks),
        result=None if result is None else result_spec(result),
        budget=budget or Budget(),
        timeout_s=timeout_s,
    )


def _require_sense(name: str, goal: str, *, timeout_s: float) -> None:
    """Refuse a worker that can't be meant.

    Raises:
        ConfigError: its name, its goal or its time can't be used.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} can't be the name of a worker",
            fix="take up to 64 letters, digits, _ and -, not a digit first",
        )
    if not goal.strip():
        raise ConfigError(f"the worker {name!r} has no goal", fix="say in a sentence what it does")
    if not timeout_s > 0:
        raise ConfigError(f"the worker {name!r} has timeout_s={timeout_s!r}", fix="give seconds above 0")


def _path(name: str, path: str) -> str:
    """Return a path of a worker as calls are compared with it: relative to the workspace, without `.` and `..`.

    Raises:
        ConfigError: it leads outside of the workspace.
    """
    normal = posixpath.normpath(path) if path else "."
    if normal.startswith(("/", "..")):
        raise ConfigError(
            f"the worker {name!r} may use the path {path!r}, which leads outside of the workspace",
            fix="name a folder or a file in the workspace, from its root",
        )
    return normal


class WorkerTool:
    """A worker as a tool of a run."""

    def __init__(self, spec: WorkerSpec, tool: ToolSpec, carry_out: CarryOut) -> None:
        self._worker, self._spec, self._carry_out = spec, tool, carry_out

    @property
    def spec(self) -> ToolSpec:
        """What the runtime knows about it."""
        return self._spec

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        """Say that this can't be called outside of a run."""
        return Failure(
            kind=FailureKind.OURS,
            fault=Fault.RUNTIME,
            what=f"nothing was handed over to the worker {self._spec.name}",
            fix="let a run of Nebulus perform the call",
        )

    async def has_happened(self, arguments: dict[str, Any], key: str) -> bool | None:
        """Tell nothing: the same key takes up the same run."""
        return None

    async def hand_over(self, arguments: dict[str, Any], key: str, handed: HandOver) -> Handed:
        """Let a run do the work, and return what it hands back."""
        agreed = contract(self._worker, arguments, handed, key=key)
        if isinstance(agreed, Failure):
            return Handed(agreed)
        try:
            outcome, spent = await self._carry_out(agreed)
        except NebulusError as error:
            return Handed(_not_begun(self._spec.name, error))
        back = HandedBack(run_id=agreed.run_id, spent=spent)
        value = handed_back(self._spec.name, outcome, spec=self._worker.result)
        if isinstance(value, Failure | Question):
            return Handed(value, back)
        return Handed(output_of(value, is_trusted=False), back)


def _not_begun(name: str, error: NebulusError) -> Failure:
    """Return the failure of a worker whose run could not be begun, taken up, or carried to an end."""
    return Failure(
        kind=FailureKind.TRANSIENT if isinstance(error, RunBusyError) else FailureKind.PERMANENT,
        fault=Fault.CONTRACT,
        what=f"the worker {name} can't work: {error}",
        fix="do it without the worker",
    )


def worker_tools(
    workers: Sequence[WorkerSpec], tools: Sequence[Tool], carry_out: CarryOut, *, always: Sequence[str] = ()
) -> tuple[WorkerTool, ...]:
    """Return the workers as tools of a run that has `tools`; each worker has the tools in `always` as well.

    Raises:
        ConfigError: a worker may use a tool that there is not, or is called like another one.
    """
    known = {tool.spec.name: tool.spec for tool in tools}
    made: list[WorkerTool] = []
    for one in workers:
        missing = next((name for name in one.tools if name not in known), "")
        if missing:
            raise ConfigError(
                f"the worker {one.name!r} may use the tool {missing!r}, which there is not",
                fix=nearest(missing, list(known)),
            )
        if one.name in known:
            raise ConfigError(f"a worker and a tool are called {one.name!r}", fix="give one another name")
        spec = one.tool(known)
        full = msgspec.structs.replace(one, tools=(*one.tools, *always))
        made.append(WorkerTool(full, spec, carry_out))
        known[one.name] = spec
    return tuple(made)
