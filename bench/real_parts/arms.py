"""How a goal is worked on: by Nebulus as a user gets it, or by a plain loop (see `loop.py`).

Invariants: all arms meet the same files, the same tools, the same limits and the same server; each run has a
workspace of its own; every approval is given.
"""

import asyncio
import time
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from bench.real_parts.goal import Ended, shown
from bench.real_parts.serving import MeteredBackend
from nebulus.app.application import Application, open_application
from nebulus.app.bootstrap import MEMORY
from nebulus.app.results import decode_result, result_spec
from nebulus.app.settings import EngineSettings, Settings, TierSettings, tier_name
from nebulus.core.budget import Budget
from nebulus.core.commands import Command, RunTool
from nebulus.core.errors import ConfigError, NebulusError
from nebulus.core.events import ToolFailed, ToolReturned
from nebulus.core.journal import Record
from nebulus.core.outcome import Blocked, Done, Exhausted, Failed, Outcome, Question, Refused
from nebulus.ports.guard import PersonReply

Mode: TypeAlias = Literal["default", "outline", "next"]


class Task(Struct, frozen=True, kw_only=True):
    """What an arm is given."""

    text: str
    root: Path
    model: str
    result: Any = None
    seconds: float = 300.0
    """The most wall time."""
    tokens: int = 100_000
    """The most prompt and answer tokens."""
    turns: int = 40
    """The most answers in a plain loop."""
    mode: Mode = "default"
    votes: int = 1
    journal: Path | None = None
    """Where the journal of a run goes."""


class Track(Struct, kw_only=True):
    """What was seen of a run: its calls in order, approvals, and when the first call succeeded."""

    began: float
    calls: list[str] = field(default_factory=list)
    approvals: int = 0
    failed_calls: int = 0
    first_success_s: float | None = None

    def succeeded(self, what: str) -> None:
        """Note a call that succeeded."""
        self.calls.append(f"{shown(what)} ok")
        if self.first_success_s is None:
            self.first_success_s = time.perf_counter() - self.began

    def failed(self, what: str, why: str) -> None:
        """Note a call that failed."""
        self.failed_calls += 1
        self.calls.append(f"{shown(what)} FAILED {shown(why)}")


class Watcher:
    """Watches a run of Nebulus for its track."""

    def __init__(self, track: Track) -> None:
        self._track = track
        self._under_way: dict[str, str] = {}

    def on_command(self, command: Command) -> None:
        """Note which call begins."""
        if isinstance(command, RunTool):
            call = command.call
            arguments = ", ".join(f"{name}={value!r}" for name, value in call.arguments.items())
            self._under_way[call.call_id] = f"{call.tool}({arguments})"

    def on_text(self, piece: str) -> None:
        """Text as it comes is not needed."""

    def on_record(self, record: Record) -> None:
        """Note how a call ended."""
        match record.event:
            case ToolReturned(call_id=call_id):
                self._track.succeeded(self._under_way.get(call_id, call_id))
            case ToolFailed(call_id=call_id, failure=failure):
                self._track.failed(self._under_way.get(call_id, call_id), failure.sentence())
            case _:
                pass


class Approver:
    """Says yes to approvals, as `--yes` does, and nothing to any other question."""

    def __init__(self, track: Track) -> None:
        self._track = track

    async def ask(self, question: Question) -> PersonReply | None:
        """Say yes to an approval."""
        if question.kind != "approval":
            return None
        self._track.approvals += 1
        return PersonReply(is_yes=True, by="measurement")


def settings_for(task: Task) -> Settings:
    """Return the settings that `nebulus run -m MODEL` would use, with a budget, in memory, and a planning mode.

    Raises:
        ConfigError: this version has no such mode.
    """
    settings = Settings(
        tiers={tier_name(task.model): TierSettings(model=task.model)},
        engine=EngineSettings(url=MEMORY),
        budget=Budget(tokens=task.tokens),
        votes=task.votes,
    )
    if task.mode == "default":
        return settings
    kinds = {item.name: item.type for item in msgspec.structs.fields(Settings)}
    if "planning" not in kinds:
        raise ConfigError(f"this version of Nebulus has no planning mode {task.mode!r}; leave --mode out")
    return replace(settings, planning=msgspec.convert(task.mode, kinds["planning"]))


async def run_nebulus(task: Task, backend: MeteredBackend, track: Track) -> Ended:
    """Carry out a task by Nebulus, and say how it ended."""
    settings = settings_for(task)
    spec = None if task.result is None else result_spec(task.result)
    async with open_application(
        settings,
        task.root,
        person=Approver(track),
        watch=[lambda _: Watcher(track)],
        backends=dict.fromkeys(settings.tiers, backend),
    ) as application:
        try:
            handle = await application.start(task.text, result=spec, workspace=task.root)
        except ConfigError as error:
            return Ended(how="failed", failure="config", text=str(error))
        try:
            async with asyncio.timeout(task.seconds):
                ended = ended_of(await handle.result(), task.result)
        except TimeoutError:
            handle.stop()
            backend.stop()
            await handle.release()
            ended = Ended(how="limit", failure="wall time", text=f"{task.seconds:g} s")
        except NebulusError as error:
            ended = Ended(how="crashed", failure=type(error).__name__, text=str(error))
        await _keep_journal(application, handle.run_id, task.journal)
    return ended


async def _keep_journal(application: Application, run_id: str, path: Path | None) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\n".join(await application.supervisor.raw_journal(run_id)))


def ended_of(outcome: Outcome, kind: Any) -> Ended:
    """Return an outcome as the end that is judged; `kind` is the type of the answer that was asked for."""
    match outcome:
        case Done(result=result):
            answer = result.value if result is not None else None
            if result is not None and kind not in (None, str):
                answer = decode_result(kind, result)
            return Ended(how="done", answer=answer, text=str(outcome), proof=outcome.proof.value)
        case Failed(failure=failure):
            name = f"{failure.fault.value}.{failure.kind.value}"
            return Ended(how="failed", failure=name, text=str(outcome))
        case Refused(rule=rule):
            return Ended(how="refused", failure=rule, text=str(outcome))
        case Blocked(question=question):
            return Ended(how="blocked", failure=question.kind, text=str(outcome))
        case Exhausted(resource=resource):
            return Ended(how="exhausted", failure=resource, text=str(outcome))
