"""The library's entry point: an agent with your own tools, in a few lines."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from msgspec.structs import replace

from nebulus.app.application import Application, Predicates, Watch, open_application
from nebulus.app.bootstrap import MEMORY
from nebulus.app.bootstrap_profiles import profiles
from nebulus.app.forecasting import ForecastReport, forecast_goal
from nebulus.app.inputs import inputs_of
from nebulus.app.results import decode_result, result_spec
from nebulus.app.settings import (
    SMOLLM2,
    EngineSettings,
    Settings,
    TierSettings,
    tier_name,
    validate_votes,
)
from nebulus.app.settings_file import load_settings
from nebulus.ceiling.profile import day_of
from nebulus.core.budget import Budget
from nebulus.core.commands import Command
from nebulus.core.errors import ConfigError
from nebulus.core.outcome import Blocked, Done, Outcome, Question
from nebulus.core.plan import Goal, Plan, PlanMode
from nebulus.delegation.contract import WorkerSpec
from nebulus.ports.backend import ModelBackend
from nebulus.ports.engine import RunInfo
from nebulus.ports.guard import Person, PersonReply, Policy
from nebulus.ports.tool import Tool
from nebulus.runtime.handle import RunHandle
from nebulus.runtime.supervise import read_outcome
from nebulus.runtime.world import SystemClock

Model: TypeAlias = str | ModelBackend
Inputs: TypeAlias = Mapping[str, Any]
NO_INPUTS: Inputs = MappingProxyType({})


class Agent:
    """Carries out goals with the given tools and models.

    `model` is one model or a sequence from small to large: a name (`hf:OWNER/REPO:QUANT`, `PATH.gguf`,
    `ollama:qwen3:8b`, `http://localhost:8000#NAME`) or a backend object; `smollm2` if it is left out. `window_tokens` sets the window's size if the server does not
    report it, or narrows it. With a `workspace`, the built-in file tools are available too. `engine` is "memory"
    (nothing survives the process), a SQLite path, or a PostgreSQL URL. `policy` is a policy object or the path of a
    rules file (`.toml` or `.cedar`). `workers` (see `worker`) are what it may hand work over to. `planning` is how a goal
    in prose is worked on: "next" (one call after the other) or "outline" (a plan first). With `votes` above 1 a goal is
    tried up to that many times in copies of the workspace, and done where more than half of these tries agree. `checks`
    are predicates that a goal may name ("named NAME"): each is given the arguments of the check and returns "" if it
    passes, else why not. `watch` makes an
    observer for each run, given its name.

        agent = Agent(tools=[weather], model="ollama:qwen3:8b")
        outcome = agent.run("How warm is it in Oslo?", result=int)
        print(outcome.answer)

    `run` opens and closes everything by itself. To keep a handle on a run, resume runs, or have several at once, use
    the agent as an async context manager:

        async with Agent(tools=[weather], engine="runs.sqlite") as agent:
            handle = await agent.start("How warm is it in Oslo?")
            async for record in handle.events():
                ...
            outcome = await handle.result()
    """

    def __init__(
        self,
        *,
        tools: Sequence[Tool] = (),
        workers: Sequence[WorkerSpec] = (),
        model: Model | Sequence[Model] = SMOLLM2,
        window_tokens: int = 0,
        workspace: str | Path | None = None,
        engine: str = MEMORY,
        policy: Policy | str | Path | None = None,
        person: Person | None = None,
        budget: Budget | None = None,
        planning: Literal["next", "outline"] = "next",
        votes: int = 1,
        checks: Predicates | None = None,
        watch: Sequence[Watch] = (),
    ) -> None:
        models = [model] if isinstance(model, str) or not isinstance(model, Sequence) else list(model)
        named = {
            tier_name(one) if isinstance(one, str) else f"model{number}": one
            for number, one in enumerate(models, start=1)
        }
        if len(named) < len(models):
            raise ConfigError(
                f"two models have the same short name ({', '.join(named)})", fix="pass only one of them"
            )
        settings = Settings(
            tiers={
                name: TierSettings(
                    model=one if isinstance(one, str) else type(one).__name__, window_tokens=window_tokens
                )
                for name, one in named.items()
            },
            engine=EngineSettings(url=engine),
            budget=budget or Budget(),
            planning=_planning(planning),
            votes=votes,
            policy=str(policy) if isinstance(policy, str | Path) else "",
        )
        validate_votes(settings, "Agent")
        self._set_up(
            settings,
            Path.cwd(),
            workspace=None if workspace is None else Path(workspace),
            tools=tools,
            workers=workers,
            policy=None if isinstance(policy, str | Path) else policy,
            person=person,
            predicates=checks,
            watch=watch,
            backends={name: one for name, one in named.items() if not isinstance(one, str)},
        )

    @classmethod
    def from_settings(
        cls,
        path: str | Path,
        *,
        workspace: str | Path | None = None,
        tools: Sequence[Tool] = (),
        person: Person | None = None,
    ) -> "Agent":
        """Return the agent that a settings file describes; relative paths start at the file's folder.

        Raises:
            ConfigError: the file can't be read, or a setting is wrong.
        """
        file = Path(path)
        agent = cls.__new__(cls)
        agent._set_up(
            load_settings(file, file.parent),
            file.parent.absolute(),
            workspace=None if workspace is None else Path(workspace),
            tools=tools,
            person=person,
        )
        return agent

    def _set_up(self, settings: Settings, folder: Path, *, workspace: Path | None, **plugs: Any) -> None:
        self._settings, self._folder, self._workspace = settings, folder, workspace
        self._replies = _Replies(plugs.pop("person", None))
        self._plugs = plugs
        self._stack = AsyncExitStack()
        self._application: Application | None = None
        self._handles: dict[str, RunHandle] = {}

    async def __aenter__(self) -> "Agent":
        opening = open_application(self._settings, self._folder, person=self._replies, **self._plugs)
        self._application = await self._stack.enter_async_context(opening)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._application = None
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    def run(
        self, goal: str | Goal, *, plan: Plan | None = None, result: Any = None, inputs: Inputs = NO_INPUTS
    ) -> Outcome:
        """Carry out `goal` and return its outcome. A goal is prose, a runbook with numbered steps, or a `Goal`.

        `result` is the type of the answer: `str`, a msgspec Struct, a dataclass, a TypedDict, a Pydantic model, or a
        JSON Schema. `outcome.answer` is then of that type. `inputs` is data that the goal is about, by name: text, or
        what JSON can express. It is shown to the model as text from outside, which gives no instructions:

            agent.run("Which date does the letter name?", inputs={"letter": letter}, result=str)

        Raises:
            ConfigError: a model, the workspace, the goal or the type can't be used, and nothing was begun; or an
                event loop is already running, in which case use `run_async`.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self.run_async(goal, plan=plan, result=result, inputs=inputs))
        raise ConfigError(
            "an event loop is already running (a notebook, or an async program)",
            fix="write `await agent.run_async(...)` instead of `agent.run(...)`",
        )

    async def run_async(
        self, goal: str | Goal, *, plan: Plan | None = None, result: Any = None, inputs: Inputs = NO_INPUTS
    ) -> Outcome:
        """As `run`, inside a running event loop."""
        if self._application is None:
            async with self:
                return await self.run_async(goal, plan=plan, result=result, inputs=inputs)
        handle = await self.start(goal, plan=plan, result=result, inputs=inputs)
        return _typed(await handle.result(), result)

    def forecast(self, goal: str | Goal, *, plan: Plan | None = None, result: Any = None) -> ForecastReport:
        """Say how likely `goal` ends right on each of the models, by their profiles; no model is asked.

        `nebulus probe` makes a profile; the report names the models that have none. Arguments are those of `run`.

        Raises:
            ConfigError: the goal or a profile can't be read, or as `run`.
        """
        return asyncio.run(self.forecast_async(goal, plan=plan, result=result))

    async def forecast_async(
        self, goal: str | Goal, *, plan: Plan | None = None, result: Any = None
    ) -> ForecastReport:
        """As `forecast`, inside a running event loop."""
        return await forecast_goal(
            self._settings,
            goal,
            folder=self._folder,
            store=profiles(),
            today=day_of(SystemClock().time_s()),
            plan=plan,
            result=None if result is None else result_spec(result),
            tools=self._plugs.get("tools", ()),
            workspace=self._workspace,
        )

    def ask(self, question: str, *, result: Any = str, inputs: Inputs = NO_INPUTS) -> Outcome:
        """Answer `question` with one model call and without tools. Raises: as `run`."""
        return self._without_tools().run(question, result=result, inputs=inputs)

    async def ask_async(self, question: str, *, result: Any = str, inputs: Inputs = NO_INPUTS) -> Outcome:
        """As `ask`, inside a running event loop."""
        return await self._without_tools().run_async(question, result=result, inputs=inputs)

    def _without_tools(self) -> "Agent":
        agent = Agent.__new__(Agent)
        agent._set_up(
            self._settings.without_helpers(),
            self._folder,
            workspace=None,
            person=self._replies,
            **{**self._plugs, "tools": (), "workers": ()},
        )
        return agent

    async def start(
        self,
        goal: str | Goal,
        *,
        plan: Plan | None = None,
        result: Any = None,
        inputs: Inputs = NO_INPUTS,
        run_id: str = "",
        handed_out: Iterable[type[Command]] = (),
    ) -> RunHandle:
        """Begin a run towards `goal` and return its handle; the run proceeds by itself.

        `handed_out` are the kinds of commands that the caller performs, through `RunHandle.advance`.

        Raises:
            ConfigError: as `run`; or the agent is not open.
        """
        handle = await self._open.start(
            goal,
            plan=plan,
            result=None if result is None else result_spec(result),
            inputs=inputs_of(inputs),
            workspace=self._workspace,
            run_id=run_id,
            handed_out=frozenset(handed_out),
        )
        self._handles[handle.run_id] = handle
        return handle

    async def resume(self, run_id: str, *, accepts_changes: bool = False) -> RunHandle:
        """Resume a run where it was, or try again what failed; a run that is done stays done.

        Raises:
            RunUnknownError: no run has this name.
            RunBusyError: another process is working on it.
            ConfigError: the configuration or the policy has changed since, and `accepts_changes` is not set.
        """
        handle = await self._open.supervisor.resume(run_id, accepts_changes=accepts_changes)
        self._handles[run_id] = handle
        return handle

    async def runs(self, *, limit: int | None = None, after: str | None = None) -> list[RunInfo]:
        """List runs, newest first: at most `limit`, starting after the run `after`."""
        return await self._open.supervisor.runs(limit=limit, after=after)

    async def journal(self, run_id: str) -> tuple[bytes, ...]:
        """Return the journal of a run: batches of JSON records, in order.

        Raises:
            RunUnknownError: no run has this name.
        """
        return await self._open.supervisor.raw_journal(run_id)

    async def questions(self) -> list[Question]:
        """Return the questions that wait for a person: in runs under way, and in runs that are blocked."""
        found = {
            question.digest or question.question_id: question
            for handle in self._handles.values()
            if not handle.is_done
            for question in handle.questions()
        }
        for info in await self.runs():
            outcome = read_outcome(info)
            if isinstance(outcome, Blocked):
                found.setdefault(outcome.question.digest or outcome.question.question_id, outcome.question)
        return list(found.values())

    async def approve(self, question: Question, *, text: str = "", by: str = "") -> None:
        """Say yes to a question. A run under way continues; a blocked one does when it is resumed."""
        await self._answer(question, PersonReply(is_yes=True, text=text, by=by))

    async def deny(self, question: Question, *, text: str = "", by: str = "") -> None:
        """Say no to a question. A run under way continues; a blocked one does when it is resumed."""
        await self._answer(question, PersonReply(is_yes=False, text=text, by=by))

    async def _answer(self, question: Question, reply: PersonReply) -> None:
        handle = self._handles.get(question.run_id)
        if handle is not None and not handle.is_done and question in handle.questions():
            await handle.answer(question.question_id, reply.is_yes, text=reply.text, by=reply.by)
        else:
            self._replies.keep(question, reply)

    @property
    def _open(self) -> Application:
        if self._application is None:
            raise ConfigError("the agent is not open", fix="write `async with Agent(...) as agent:`")
        return self._application


def _planning(value: str) -> PlanMode:
    try:
        return PlanMode(value)
    except ValueError as error:
        raise ConfigError(
            f"planning={value!r} is not a way to plan",
            fix=f"use {' or '.join(repr(mode.value) for mode in PlanMode)}",
        ) from error


class _Replies:
    """Gives a kept reply to exactly the question that it answers; otherwise asks `person`, if there is one."""

    def __init__(self, person: Person | None) -> None:
        self._person = person
        self._kept: dict[tuple[str, str, str], PersonReply] = {}

    def keep(self, question: Question, reply: PersonReply) -> None:
        """Keep a reply until its question is asked."""
        self._kept[_name(question)] = reply

    async def ask(self, question: Question) -> PersonReply | None:
        """Return the reply to `question`, or None if nobody gave one."""
        reply = self._kept.pop(_name(question), None)
        if reply is None and self._person is not None:
            return await self._person.ask(question)
        return reply


def _name(question: Question) -> tuple[str, str, str]:
    return question.run_id, question.question_id, question.digest


def _typed(outcome: Outcome, kind: Any) -> Outcome:
    """Return `outcome` with its answer converted to the requested type."""
    if kind is None or not isinstance(outcome, Done) or outcome.result is None:
        return outcome
    value = decode_result(kind, outcome.result)
    return replace(outcome, result=replace(outcome.result, value=value))
