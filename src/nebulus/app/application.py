"""An application: settings made into an engine, backends and worlds, for as long as it is open.

Laws: everything that can be wrong is found before a run begins (settings, servers, windows, workspace,
a prompt that can't fit); what was opened is closed.
"""

import datetime
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from nebulus.app import bootstrap
from nebulus.app.settings import Settings
from nebulus.core.answers import ModelRequest
from nebulus.core.commands import AskModel
from nebulus.core.errors import BackendError, ConfigError
from nebulus.core.events import GoalGiven
from nebulus.core.tools import SandboxLevel
from nebulus.guard.defaults import DefaultPolicy
from nebulus.loop.machine import feed
from nebulus.loop.progress import Setup, new_machine
from nebulus.loop.runbook import read_runbook, with_implied_checks
from nebulus.ports.backend import BackendInfo, ModelBackend
from nebulus.ports.guard import Person, Policy
from nebulus.ports.tool import Tool
from nebulus.ports.world import Observer
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
        self._policy = policy or DefaultPolicy()
        self._person = person or bootstrap.nobody()
        self._observers = Observers(observers)
        self._backends: dict[str, ModelBackend] = dict(backends or {})
        self.supervisor = Supervisor(bootstrap.engine(settings.engine.url, folder), self._open_world)

    async def prepare(self, goal_text: str, *, workspace: Path | None = None) -> RunRequest:
        """Return the request for a run towards `goal_text`, everything checked that can be.

        Raises:
            ConfigError: the goal, a server, the workspace, or a prompt that can't fit a window.
            BackendError: a server did not answer.
        """
        goal, plan = read_runbook(goal_text)
        place = {} if workspace is None else {"workspace": os.path.realpath(workspace)}
        async with bootstrap.tools(place, self._tools, self.settings) as kit:
            setup = await self._setup(kit.tools)
            plan = with_implied_checks(plan, setup.tools)
            request = RunRequest(
                goal=goal, plan=plan, setup=setup, policy_digest=self._policy.digest, place=place
            )
        await self._require_room(request)
        return request

    async def close(self) -> None:
        """Let go of every backend."""
        for backend in self._backends.values():
            await backend.close()
        self._backends.clear()

    async def _setup(self, tools: Sequence[Tool]) -> Setup:
        names = [tool.spec.name for tool in tools]
        doubled = {name for name in names if names.count(name) > 1}
        if doubled:
            raise ConfigError(f"two tools are called {sorted(doubled)[0]!r}; give one another name")
        tiers = []
        for name, tier in self.settings.tiers.items():
            info = await self._describe(name)
            tiers.append(tier.tier(name, info.window_tokens))
        return Setup(
            tools=tuple(tool.spec for tool in tools),
            tiers=tuple(tiers),
            budget=self.settings.budget,
            limits=self.settings.limits,
        )

    async def _describe(self, tier: str) -> BackendInfo:
        if tier not in self._backends:
            self._backends[tier] = bootstrap.backend(self.settings.tiers[tier].backend())
        try:
            return await self._backends[tier].describe()
        except BackendError as error:
            raise ConfigError(f"tiers.{tier}: {error}") from error

    async def _require_room(self, request: RunRequest) -> None:
        """Refuse to start where the first prompt and the answer's reserve do not fit the window."""
        machine = feed(new_machine(request.setup), GoalGiven(goal=request.goal, plan=request.plan))
        command = machine.command
        if not isinstance(command, AskModel):
            return
        tier = next(tier for tier in request.setup.tiers if tier.name == command.tier)
        count = await self._backends[tier.name].count(command.request)
        if count.tokens + tier.reserve_tokens > tier.window_tokens:
            largest = _largest_part(command.request)
            raise ConfigError(
                f"the first prompt needs {count.tokens} tokens and {tier.reserve_tokens} for the answer; tier "
                f"{tier.name} has a window of {tier.window_tokens}. The largest part is {largest}"
            )

    @asynccontextmanager
    async def _open_world(self, request: RunRequest) -> AsyncIterator[tuple[Setup, World]]:
        async with AsyncExitStack() as stack:
            kit = await stack.enter_async_context(bootstrap.tools(request.place, self._tools, self.settings))
            setup = await self._setup(kit.tools)
            yield (
                setup,
                World(
                    backends=self._backends,
                    tools={tool.spec.name: tool for tool in kit.tools},
                    policy=self._policy,
                    person=self._person,
                    workspace=kit.workspace,
                    checker=bootstrap.checker(kit.workspace, self._predicates),
                    artifacts=bootstrap.artifacts(self.settings.engine.url, self.folder),
                    observers=self._observers,
                    sandbox_level=kit.sandbox.level if kit.sandbox else SandboxLevel.NONE,
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


def _largest_part(request: ModelRequest) -> str:
    tools_bytes = len(msgspec.json.encode(request.tools))
    parts = {f"the {message.role} message": len(message.content.encode()) for message in request.messages}
    parts[f"the schemas of {len(request.tools)} tools"] = tools_bytes
    name = max(parts, key=lambda part: parts[part])
    return f"{name} ({parts[name]} bytes)"
