"""An application: settings made into an engine, backends and worlds, for as long as it is open.

Laws: everything that can be wrong is found before a run begins (settings, servers, windows, workspace,
a prompt that can't fit); what was opened is closed.
"""

import asyncio
import datetime
import functools
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

from nebulus.app import bootstrap
from nebulus.app.settings import Settings
from nebulus.core.commands import AskModel
from nebulus.core.errors import BackendError, ConfigError
from nebulus.core.events import GoalGiven
from nebulus.core.tools import SandboxLevel
from nebulus.guard.check import Scene
from nebulus.loop.machine import feed
from nebulus.loop.progress import Setup, new_machine
from nebulus.loop.runbook import read_runbook, with_implied_checks
from nebulus.loop.turn import floors
from nebulus.memory.window import too_large
from nebulus.ports.backend import BackendInfo, ModelBackend
from nebulus.ports.guard import Person, Policy
from nebulus.ports.tool import Tool
from nebulus.ports.world import ArtifactStore, Observer
from nebulus.runtime.breakers import Breakers
from nebulus.runtime.secrecy import DiscreetStore, discreet_logs
from nebulus.runtime.supervise import RunRequest, Supervisor
from nebulus.runtime.world import Observers, World

Predicates = Mapping[str, Callable[..., Any]]


class Application:
    """What is open. Made by `open_application`; `supervisor` begins, resumes and lists runs."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        tools: Sequence[Tool] = (),
        policy: Policy | None = None,
        person: Person | None = None,
        observers: Sequence[Observer] = (),
        predicates: Predicates | None = None,
        backends: Mapping[str, ModelBackend] | None = None,
    ) -> None:
        """Plug in: tools beside the built-in ones, backends by tier in place of those that settings name."""
        self.settings, self.folder = settings, folder
        self._tools, self._predicates = tuple(tools), dict(predicates or {})
        self._policy, self._person = policy, person
        self._observers = Observers(observers)
        self._breakers = Breakers(settings.limits)
        self._backends: dict[str, ModelBackend] = dict(backends or {})
        self.supervisor = Supervisor(
            bootstrap.engine(settings.engine.url, folder), self._open_world, going_back=self._withdraw
        )

    async def prepare(self, goal_text: str, *, workspace: Path | None = None) -> RunRequest:
        """Return the request for a run towards `goal_text`, everything checked that can be.

        Raises:
            ConfigError: the goal, a server, the workspace, or a prompt that can't fit a window.
            BackendError: a server did not answer.
        """
        goal, plan = read_runbook(bootstrap.secrets(self.settings).hide(goal_text))
        place = {} if workspace is None else {"workspace": os.path.realpath(workspace)}
        async with bootstrap.tools(
            place, self._tools, self.settings, stored=self._stored, folder=self.folder
        ) as kit:
            setup = await self._setup(kit.tools)
            plan = with_implied_checks(plan, setup.tools)
            policy = self._policy_for(setup, kit)
            request = RunRequest(goal=goal, plan=plan, setup=setup, policy_digest=policy.digest, place=place)
        await self._require_room(request)
        return request

    async def close(self) -> None:
        """Let go of every backend."""
        for backend in self._backends.values():
            await backend.close()
        self._backends.clear()

    async def _withdraw(self, run_id: str) -> None:
        """Let no answer that the run took serve it again: it goes back, and shall ask again."""
        kept = bootstrap.approvals(self.settings, self.folder)
        if kept is not None:
            with closing(kept):
                await asyncio.to_thread(kept.withdraw, run_id)

    @functools.cached_property
    def _stored(self) -> ArtifactStore:
        """What is stored, for every run: one store, so that what a run in memory stored is found again."""
        return bootstrap.artifacts(self.settings.engine.url, self.folder)

    async def _setup(self, tools: Sequence[Tool]) -> Setup:
        names = [tool.spec.name for tool in tools]
        doubled = {name for name in names if names.count(name) > 1}
        if doubled:
            raise ConfigError(f"two tools are called {sorted(doubled)[0]!r}; give one another name")
        tiers = []
        for name, tier in self.settings.tiers.items():
            info = await self._describe(name)
            if tier.reasoning_tokens and not info.reasons:
                raise ConfigError(
                    f"tiers.{name}.reasoning_tokens={tier.reasoning_tokens}: {info.name} carries no thought out; "
                    "set it to 0"
                )
            tiers.append(tier.tier(name, info.window_tokens))
        return Setup(
            tools=tuple(tool.spec for tool in tools),
            tiers=tuple(tiers),
            budget=self.settings.budget,
            limits=self.settings.limits,
        )

    def _policy_for(self, setup: Setup, kit: bootstrap.Kit) -> Policy:
        if self._policy is not None:
            return self._policy
        scene = Scene(specs=setup.tools, agents=(setup.agent, *(tier.name for tier in setup.tiers)))
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
        """Refuse to start where the floor of a prompt and the answer's reserve do not fit a tier's window."""
        machine = feed(new_machine(request.setup), GoalGiven(goal=request.goal, plan=request.plan))
        if not isinstance(machine.command, AskModel):
            return
        windows = {tier.name: tier.window_tokens for tier in request.setup.tiers}
        for asked in floors(machine):
            count = await self._backends[asked.tier].count(asked.request)
            window_tokens = windows[asked.tier]
            if count.tokens + asked.request.most_tokens > window_tokens:
                why = too_large(asked.request, tokens=count.tokens, window_tokens=window_tokens)
                raise ConfigError(f"tiers.{asked.tier}: {why}; nothing that is remembered is in it yet")

    @asynccontextmanager
    async def _open_world(self, request: RunRequest) -> AsyncIterator[tuple[Setup, World]]:
        async with AsyncExitStack() as stack:
            kit = await stack.enter_async_context(
                bootstrap.tools(
                    request.place, self._tools, self.settings, stored=self._stored, folder=self.folder
                )
            )
            setup = await self._setup(kit.tools)
            secrets = bootstrap.secrets(self.settings)
            stack.enter_context(discreet_logs(secrets))
            yield (
                setup,
                World(
                    backends=self._backends,
                    tools={tool.spec.name: tool for tool in kit.tools},
                    policy=self._policy_for(setup, kit),
                    person=stack.enter_context(bootstrap.person(self.settings, self.folder, self._person)),
                    workspace=kit.workspace,
                    checker=bootstrap.checker(kit.workspace, self._predicates),
                    artifacts=DiscreetStore(self._stored, secrets),
                    observers=self._observers,
                    sandbox_level=kit.sandbox.level if kit.sandbox else SandboxLevel.NONE,
                    secrets=secrets,
                    breakers=self._breakers,
                ),
            )


@asynccontextmanager
async def open_application(settings: Settings, folder: Path, **plugs: Any) -> AsyncIterator[Application]:
    """Open an application on `folder` (where relative paths of the settings start); close it at the end.

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
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
