"""An application: builds an engine, backends and worlds from settings, and closes them at the end.

Invariants: everything that can be wrong is found before a run begins (settings, servers, windows, workspace, a prompt
that can't fit); a run's world is opened once; what was opened is closed.
"""

import asyncio
import datetime
import functools
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeAlias

from msgspec.structs import replace

from nebulus.app import bootstrap, bootstrap_profiles, learning
from nebulus.app.settings import Settings, validate_limits
from nebulus.ceiling.profile import day_of
from nebulus.core.commands import Command
from nebulus.core.config import RunConfig
from nebulus.core.errors import BackendError, ConfigError, RunUnknownError
from nebulus.core.events import RunStarted
from nebulus.core.journal import events_of
from nebulus.core.plan import Goal, Plan, PlanMode
from nebulus.core.result import ResultSpec
from nebulus.core.tools import SandboxLevel
from nebulus.guard.check import Scene
from nebulus.loop.machine import new_machine
from nebulus.loop.request import minimal_requests
from nebulus.loop.route import Skills
from nebulus.loop.runbook import read_runbook, with_implied_checks
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

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


FILES_LISTED = 40
"""A workspace with more files is not listed at the start: the model lists the folders that it needs."""


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
    ) -> None:
        """Take tools in addition to the built-in ones, and backends by tier instead of those that settings name.

        Raises:
            ConfigError: a limit is out of range, or the engine can't be used.
        """
        validate_limits(settings, "settings")
        self.settings, self.folder = settings, folder
        self._tools, self._predicates = tuple(tools), dict(predicates or {})
        self._policy, self._person = policy, person
        self._watch = tuple(watch)
        self._breakers = Breakers(settings.limits)
        self._backends: dict[str, ModelBackend] = dict(backends or {})
        self._given = frozenset(self._backends)
        self.supervisor = Supervisor(
            bootstrap.engine(settings.engine.url, folder), self._open_world, before_rewind=self._withdraw
        )

    async def start(
        self,
        goal: str | Goal,
        *,
        plan: Plan | None = None,
        result: ResultSpec | None = None,
        workspace: Path | None = None,
        run_id: str = "",
        place: Mapping[str, str] | None = None,
        handed_out: frozenset[type[Command]] = frozenset(),
    ) -> RunHandle:
        """Check everything that can be checked, begin a run towards `goal`, and return its handle.

        A text without a `plan` is parsed as a runbook; a text or a `Goal` with its `plan` is used as it is. `place` is
        stored with the run for whoever resumes it elsewhere.

        Raises:
            ConfigError: the goal, the run id, a server or the workspace can't be used, or a prompt can't fit a window;
                nothing was begun.
        """
        name = checked_run_id(run_id) if run_id else new_run_id()
        async with AsyncExitStack() as stack:
            opened, request = await self._prepared(
                name, goal, stack, plan=plan, result=result, workspace=workspace, place=place
            )
            handed_over = stack.pop_all()
        world = _already_open(opened, handed_over)
        return await self.supervisor.start(name, request, opened=world, handed_out=handed_out)

    async def prepare(
        self,
        goal: str | Goal,
        *,
        plan: Plan | None = None,
        result: ResultSpec | None = None,
        workspace: Path | None = None,
        place: Mapping[str, str] | None = None,
    ) -> RunRequest:
        """Return what `start` would begin, with everything checked that can be; nothing is begun.

        Raises:
            ConfigError: as `start`.
        """
        async with AsyncExitStack() as stack:
            _, request = await self._prepared(
                new_run_id(), goal, stack, plan=plan, result=result, workspace=workspace, place=place
            )
            return request

    async def _prepared(
        self,
        run_id: str,
        goal: str | Goal,
        stack: AsyncExitStack,
        *,
        plan: Plan | None,
        result: ResultSpec | None,
        workspace: Path | None,
        place: Mapping[str, str] | None,
    ) -> tuple[Opened, RunRequest]:
        """Open a run's world on `stack`, and return it with the request that fits it."""
        if isinstance(goal, Goal):
            wanted, steps = goal, plan or Plan(())
        elif plan is None:
            wanted, steps = read_runbook(bootstrap.secrets(self.settings).hide(goal))
        else:
            wanted, steps = Goal(text=bootstrap.secrets(self.settings).hide(goal)), plan
        if result is not None:
            wanted = replace(wanted, result=result)
        where = dict(place or {})
        if workspace is not None:
            where["workspace"] = os.path.realpath(workspace)
        opened = await stack.enter_async_context(self._opened(run_id, where))
        request = RunRequest(
            goal=wanted,
            plan=with_implied_checks(steps, opened.config.tools, goal=wanted),
            config=opened.config,
            policy_digest=opened.world.policy.digest,
            place=where,
            files=() if steps.steps else await asyncio.to_thread(_listing, opened),
        )
        await self._require_room(request)
        return opened, request

    async def close(self) -> None:
        """Close every backend that was opened here."""
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

    @functools.cached_property
    def _skills(self) -> Skills:
        """What was measured of each tier, if tiers are chosen by that."""
        return bootstrap_profiles.skills(self.settings, today=day_of(SystemClock().time_s()))

    @functools.cached_property
    def _stored(self) -> ArtifactStore:
        """One artifact store for all runs, so that what a run in memory stored is found again."""
        return bootstrap.artifacts(self.settings.engine.url, self.folder)

    async def _config(self, tools: Sequence[Tool]) -> RunConfig:
        names = [tool.spec.name for tool in tools]
        doubled = {name for name in names if names.count(name) > 1}
        if doubled:
            raise ConfigError(f"two tools are called {sorted(doubled)[0]!r}", fix="give one another name")
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

    def _policy_for(self, config: RunConfig, kit: bootstrap.Kit) -> Policy:
        if self._policy is not None:
            return self._policy
        scene = Scene(specs=config.tools, agents=(config.agent, *(tier.name for tier in config.tiers)))
        root = kit.workspace.root if kit.workspace else None
        return bootstrap.policy(self.settings, self.folder, scene, workspace=root)

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
            kit = await stack.enter_async_context(
                bootstrap.tools(place, self._tools, self.settings, stored=self._stored, folder=self.folder)
            )
            config = await self._config(kit.tools)
            known = bootstrap.secrets(self.settings)
            stack.enter_context(redacted_logs(known))
            world = World(
                backends=self._backends,
                tools={tool.spec.name: tool for tool in kit.tools},
                policy=self._policy_for(config, kit),
                person=stack.enter_context(bootstrap.person(self.settings, self.folder, self._person)),
                workspace=kit.workspace,
                checker=bootstrap.checker(kit.workspace, self._predicates),
                artifacts=RedactingStore(self._stored, known),
                observers=Observers(watch(run_id) for watch in self._watch),
                sandbox_level=kit.sandbox.level if kit.sandbox else SandboxLevel.NONE,
                secrets=known,
                breakers=self._breakers,
                skills=self._skills,
            )
            yield Opened(config, world)
        await self._learn(run_id)

    async def _learn(self, run_id: str) -> None:
        """Add what a run that is over showed to the profiles of its models, if there are any."""
        if not self.settings.route.learns:
            return
        store = bootstrap_profiles.profiles()
        if not any(learning.is_measured(tier, self.settings, store) for tier in self.settings.tiers):
            return
        try:
            events = list(events_of(await self.supervisor.raw_journal(run_id)))
        except RunUnknownError:  # It was only prepared.
            return
        day = day_of(SystemClock().time_s())
        await asyncio.to_thread(learning.learn_quietly, run_id, events, self.settings, store=store, day=day)


def _listing(opened: Opened) -> tuple[str, ...]:
    """Return the names of the workspace's files, as a model is shown them; none if there are too many, or no use."""
    world = opened.world
    if world.workspace is None or opened.config.planning is not PlanMode.NEXT:
        return ()
    found = world.workspace.listing(FILES_LISTED + 1)
    return tuple(world.secrets.hide(name) for name in found) if len(found) <= FILES_LISTED else ()


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


def new_run_id() -> str:
    """Return a name for a run: sortable by time, unlikely to be taken."""
    now = datetime.datetime.now(tz=datetime.UTC)
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def checked_run_id(run_id: str) -> str:
    """Return `run_id`: it is typed in commands and is part of names, so it must be short and plain.

    Raises:
        ConfigError: it is too long, or has other characters.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise ConfigError(
            f"{run_id[:80]!r} can't be the id of a run",
            fix="take up to 64 letters, digits, -, _ and ., a letter or digit first",
        )
    return run_id
