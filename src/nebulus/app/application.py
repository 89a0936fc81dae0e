"""An application: builds an engine, backends and worlds from settings, and closes them at the end.

Invariants: everything that can be wrong is found before a run begins (settings, servers, windows, workspace, a prompt
that can't fit); a run's world is opened once; what was opened is closed.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from contextvars import Context
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from msgspec.structs import replace

from nebulus.app import bootstrap, bootstrap_profiles, learning
from nebulus.app.asked import Asked, checked_run_id, listing, new_run_id
from nebulus.app.settings import Settings, validate_limits
from nebulus.app.voting import VOTES, Decision, Trial, id_of_try, vote
from nebulus.app.workers import hired, worker_tools
from nebulus.ceiling.profile import day_of
from nebulus.core.budget import Spent
from nebulus.core.commands import Command
from nebulus.core.config import RunConfig
from nebulus.core.errors import BackendError, ConfigError, RunUnknownError
from nebulus.core.events import RunStarted
from nebulus.core.outcome import Outcome
from nebulus.core.plan import Goal, Input, Plan
from nebulus.core.result import ResultSpec
from nebulus.core.tools import SandboxLevel
from nebulus.delegation.contract import Contract, WorkerSpec
from nebulus.delegation.scope import ScopedPolicy
from nebulus.guard.check import Scene
from nebulus.loop.machine import new_machine
from nebulus.loop.request import minimal_requests
from nebulus.loop.route import Skills
from nebulus.loop.runbook import with_implied_checks
from nebulus.loop.transitions import feed
from nebulus.memory.window import too_large
from nebulus.ports.backend import BackendInfo, ModelBackend
from nebulus.ports.guard import Person, Policy
from nebulus.ports.tool import Tool
from nebulus.ports.world import ArtifactStore, Observer
from nebulus.runtime.breakers import Breakers
from nebulus.runtime.handle import RunHandle
from nebulus.runtime.redaction import RedactingStore, redacted_logs
from nebulus.runtime.supervise import Opened, RunRequest, Supervisor
from nebulus.runtime.world import Observers, SystemClock, World

Predicates: TypeAlias = Mapping[str, Callable[..., Any]]
Watch: TypeAlias = Callable[[str], Observer]
"""Makes the observer of the run of this name."""


class Application:
    """An open application. Made by `open_application`; `start` begins runs, `supervisor` resumes and lists them."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        tools: Sequence[Tool] = (),
        policy: Policy | None = None,
        person: Person | None = None,
        watch: Sequence[Watch] = (),
        predicates: Predicates | None = None,
        backends: Mapping[str, ModelBackend] | None = None,
        workers: Sequence[WorkerSpec] = (),
    ) -> None:
        """Take tools and workers in addition to the built-in tools, and backends instead of those that tiers name.

        Raises:
            ConfigError: a limit is out of range, or the engine or telemetry can't be used.
        """
        validate_limits(settings, "settings")
        self.settings, self.folder = settings, folder
        self._tools, self._predicates = tuple(tools), dict(predicates or {})
        self._workers = (*workers, *(one.spec(name) for name, one in settings.workers.items()))
        self._policy, self._person = policy, person
        self._telemetry = bootstrap.telemetry(settings)
        self._watch = (*watch, self._telemetry.watch) if self._telemetry else tuple(watch)
        self._breakers = Breakers(settings.limits)
        self._backends: dict[str, ModelBackend] = dict(backends or {})
        self._given = frozenset(self._backends)
        self._trials: dict[str, Trial] = {}
        self.supervisor = Supervisor(
            bootstrap.engine(settings.engine.url, folder), self._open_world, before_rewind=self._withdraw
        )

    async def start(
        self,
        goal: str | Goal,
        *,
        plan: Plan | None = None,
        result: ResultSpec | None = None,
        inputs: tuple[Input, ...] = (),
        workspace: Path | None = None,
        run_id: str = "",
        place: Mapping[str, str] | None = None,
        handed_out: frozenset[type[Command]] = frozenset(),
    ) -> RunHandle:
        """Check everything that can be checked, begin a run towards `goal`, and return its handle.

        A text without a `plan` is parsed as a runbook; a text or a `Goal` with its `plan` is used as it is. `inputs` is
        data that the goal is about. `place` is stored with the run for whoever resumes it elsewhere. With `votes` in the
        settings, the goal is first tried in copies of the workspace, which takes as long as these runs take.

        Raises:
            ConfigError: the goal, the run id, a server or the workspace can't be used, or a prompt can't fit a window;
                nothing was begun.
        """
        name = checked_run_id(run_id) if run_id else new_run_id()
        asked = Asked(
            goal=goal, plan=plan, result=result, inputs=inputs, workspace=workspace, place=dict(place or {})
        )
        if self.settings.votes > 1 and handed_out:
            raise ConfigError(
                "a goal that is voted on can't have commands that its caller performs",
                fix="leave votes at 1, or hand nothing out",
            )
        if self.settings.votes > 1:
            asked = replace(asked, place={**asked.place, VOTES: await self._voted(name, asked)})
        return await self._begin(name, asked, handed_out=handed_out)

    async def prepare(
        self,
        goal: str | Goal,
        *,
        plan: Plan | None = None,
        result: ResultSpec | None = None,
        workspace: Path | None = None,
    ) -> RunRequest:
        """Return what `start` would begin, with everything checked that can be; nothing is begun.

        Raises:
            ConfigError: as `start`.
        """
        asked = Asked(goal=goal, plan=plan, result=result, workspace=workspace)
        async with AsyncExitStack() as stack:
            _, request = await self._prepared(new_run_id(), asked, stack)
            return request

    async def _begin(
        self, name: str, asked: Asked, *, handed_out: frozenset[type[Command]] = frozenset()
    ) -> RunHandle:
        async with AsyncExitStack() as stack:
            opened, request = await self._prepared(name, asked, stack)
            handed_over = stack.pop_all()
        world = _already_open(opened, handed_over)
        return await self.supervisor.start(name, request, opened=world, handed_out=handed_out)

    async def _voted(self, name: str, asked: Asked) -> str:
        """Try a goal in copies of the workspace, and return the address of what was decided."""

        async def run(trial: Trial, root: Path | None) -> Outcome:
            run_id = id_of_try(name, trial.sample)
            self._trials[run_id] = trial
            try:
                handle = await self._begin(run_id, replace(asked, workspace=root))
                try:
                    return await handle.result()
                finally:
                    await handle.release()
            finally:
                del self._trials[run_id]

        original = None
        if asked.workspace is not None:
            original = bootstrap.workspace_at(asked.workspace, self.settings, self.folder)
        decision = await vote(run, original, most=self.settings.votes)
        return await asyncio.to_thread(self._stored.put, decision.encoded())

    async def _carry_out(self, place: Mapping[str, str], agreed: Contract) -> tuple[Outcome, Spent]:
        """Let a worker's run carry out a contract, or take it up where it was; return its end and what it spent."""
        before, run_id = Spent(), agreed.run_id
        try:
            await self.supervisor.info(run_id)
        except RunUnknownError:
            handle = await self._begin(run_id, Asked.under(agreed, place))
        else:
            before = (await self.supervisor.machine(run_id)).spent
            handle = await self.supervisor.resume(run_id)
        try:
            outcome = await handle.result()
        finally:
            await handle.release()
        return outcome, (await self.supervisor.machine(run_id)).spent.minus(before)

    async def _decided(self, place: Mapping[str, str]) -> Decision | None:
        """Return what tries decided about the run of this place, None where there were none."""
        if VOTES not in place:
            return None
        return Decision.decoded(await asyncio.to_thread(self._stored.get, place[VOTES]))

    async def _prepared(self, run_id: str, asked: Asked, stack: AsyncExitStack) -> tuple[Opened, RunRequest]:
        """Open a run's world on `stack`, and return it with the request that fits it."""
        wanted, steps = asked.understood(bootstrap.secrets(self.settings).hide)
        where = dict(asked.place)
        if asked.workspace is not None:
            where["workspace"] = os.path.realpath(asked.workspace)
        if (decision := await self._decided(where)) and not decision.failure:
            wanted = replace(wanted, checks=(*wanted.checks, decision.check()))
        opened = await stack.enter_async_context(self._opened(run_id, where))
        request = RunRequest(
            goal=wanted,
            plan=with_implied_checks(steps, opened.config.tools, goal=wanted),
            config=opened.config,
            policy_digest=opened.world.policy.digest,
            place=where,
            files=() if steps.steps else await asyncio.to_thread(listing, opened),
        )
        await self._require_room(request)
        return opened, request

    async def close(self) -> None:
        """Close every backend that was opened here, and send what telemetry has left."""
        if self._telemetry is not None:
            await asyncio.to_thread(self._telemetry.close)
        for name, backend in self._backends.items():
            if name not in self._given:
                await backend.close()
        self._backends.clear()

    async def _withdraw(self, run_id: str) -> None:
        """Withdraw the answers that the run used, so that it asks again after a rewind."""
        kept = bootstrap.approvals(self.settings, self.folder)
        if kept is not None:
            with closing(kept):
                await asyncio.to_thread(kept.withdraw, run_id)

    @cached_property
    def _skills(self) -> Skills:
        """What was measured of each tier, if tiers are chosen by that."""
        return bootstrap_profiles.skills(self.settings, today=day_of(SystemClock().time_s()))

    @cached_property
    def _stored(self) -> ArtifactStore:
        """One artifact store for all runs, so that what a run in memory stored is found again."""
        return bootstrap.artifacts(self.settings.engine.url, self.folder)

    async def _config(self, tools: Sequence[Tool]) -> RunConfig:
        names = [tool.spec.name for tool in tools]
        doubled = {name for name in names if names.count(name) > 1}
        if doubled:
            raise ConfigError(
                f"two tools are called {sorted(doubled)[0]!r}",
                fix="give one, or its MCP server, another name",
            )
        tiers = []
        for name, tier in self.settings.tiers.items():
            info = await self._describe(name)
            if tier.reasoning_tokens and not info.reasons:
                raise ConfigError(
                    f"tiers.{name}.reasoning_tokens={tier.reasoning_tokens}: {info.name} can't reason first",
                    fix="set it to 0",
                )
            tiers.append(tier.tier(name, info.window_tokens, leaves_machine=info.leaves_machine))
        return RunConfig(
            tools=tuple(tool.spec for tool in tools),
            tiers=tuple(tiers),
            budget=self.settings.budget,
            limits=self.settings.limits,
            checks_arguments=self.settings.checks_arguments,
            planning=self.settings.planning,
            route=self.settings.route.policy(),
        )

    async def _equipped(
        self, kit: bootstrap.Kit, place: Mapping[str, str]
    ) -> tuple[tuple[Tool, ...], RunConfig]:
        """Return the tools of the run of this place, workers among them, and its configuration.

        A worker's run has those that its contract gives.
        """

        def carry_out(agreed: Contract) -> Awaitable[tuple[Outcome, Spent]]:
            # in a context of its own: the engine must not take it for a part of this run
            return asyncio.create_task(self._carry_out(place, agreed), context=Context())

        workers = worker_tools(self._workers, kit.tools, carry_out, always=(kit.looking,))
        tools, contract = (*kit.tools, *workers), hired(place)
        if contract is None:
            return tools, await self._config(tools)
        given = contract.authority
        tools = tuple(tool for tool in tools if tool.spec.name in given.tools)
        config = await self._config(tools)
        return tools, replace(config, agent=contract.agent, authority=given, budget=given.budget)

    def _policy_for(self, config: RunConfig, kit: bootstrap.Kit) -> Policy:
        policy = self._policy
        if policy is None:
            agents = (
                config.agent,
                *(tier.name for tier in config.tiers),
                *(one.name for one in self._workers),
            )
            specs = {spec.name: spec for spec in (*(tool.spec for tool in kit.tools), *config.tools)}
            scene = Scene(specs=tuple(specs.values()), agents=agents)
            root = kit.workspace.root if kit.workspace else None
            policy = bootstrap.policy(self.settings, self.folder, scene, workspace=root)
        return policy if config.authority is None else ScopedPolicy(policy, config.authority)

    async def _describe(self, tier: str) -> BackendInfo:
        if tier not in self._backends:
            self._backends[tier] = bootstrap.backend(self.settings.tiers[tier].backend())
        try:
            return await self._backends[tier].describe()
        except BackendError as error:
            raise ConfigError(f"tiers.{tier}: {error}") from error

    async def _require_room(self, request: RunRequest) -> None:
        """Refuse to start if the smallest prompt and the answer's reserve don't fit a tier's window."""
        started = RunStarted(goal=request.goal, plan=request.plan, config=request.config, files=request.files)
        machine = feed(new_machine(request.config), started)
        windows = {tier.name: tier.window_tokens for tier in request.config.tiers}
        for tier, composed in minimal_requests(machine):
            asked = composed.request
            count = await self._backends[tier].count(asked)
            if count.tokens + asked.most_tokens > windows[tier]:
                why = too_large(
                    asked, tokens=count.tokens, window_tokens=windows[tier], prompt=composed.prompt
                )
                raise ConfigError(f"tiers.{tier}: {why}", fix="it contains nothing remembered yet")

    def _open_world(self, run_id: str, request: RunRequest) -> AbstractAsyncContextManager[Opened]:
        return self._opened(run_id, request.place)

    @asynccontextmanager
    async def _opened(self, run_id: str, place: Mapping[str, str]) -> AsyncIterator[Opened]:
        async with AsyncExitStack() as stack:
            observers = Observers(watch(run_id) for watch in self._watch)
            kit = await stack.enter_async_context(
                bootstrap.tools(
                    place,
                    self._tools,
                    self.settings,
                    stored=self._stored,
                    folder=self.folder,
                    on_progress=observers.on_progress,
                )
            )
            tools, config = await self._equipped(kit, place)
            known = bootstrap.secrets(self.settings)
            stack.enter_context(redacted_logs(known))
            world = World(
                backends=self._backends,
                tools={tool.spec.name: tool for tool in tools},
                policy=self._policy_for(config, kit),
                person=stack.enter_context(bootstrap.person(self.settings, self.folder, self._person)),
                workspace=kit.workspace,
                checker=bootstrap.checker(kit.workspace, self._predicates),
                artifacts=RedactingStore(self._stored, known),
                observers=observers,
                sandbox_level=kit.sandbox.level if kit.sandbox else SandboxLevel.NONE,
                secrets=known,
                breakers=self._breakers,
                skills=self._skills,
            )
            if run_id in self._trials:
                world = self._trials[run_id].apply(world, kit.confined)
            elif decision := await self._decided(place):
                world = decision.apply(world)
            yield Opened(config, world)
        if VOTES not in place:  # answers that are repeated show nothing new
            await learning.learn_from(run_id, self.supervisor.raw_journal, self.settings)


@asynccontextmanager
async def _already_open(opened: Opened, stack: AsyncExitStack) -> AsyncIterator[Opened]:
    """Yield a world that is already open, and close it at the end."""
    async with stack:
        yield opened


@asynccontextmanager
async def open_application(settings: Settings, folder: Path, **plugs: Any) -> AsyncIterator[Application]:
    """Open an application on `folder`, the base of relative paths in the settings, and close it at the end.

    Keyword arguments are those of `Application`.

    Raises:
        ConfigError: the engine's storage can't be used.
    """
    application = Application(settings, folder, **plugs)
    try:
        async with application.supervisor:
            yield application
    finally:
        await application.close()
