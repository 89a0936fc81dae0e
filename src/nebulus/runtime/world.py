"""Everything outside the process that a run may touch, behind ports."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from msgspec import Struct, field

from nebulus.core.commands import Command
from nebulus.core.journal import Record
from nebulus.core.tools import SandboxLevel
from nebulus.guard.secrets import Secrets
from nebulus.loop.route import NO_SKILLS, Skills
from nebulus.ports.backend import ModelBackend
from nebulus.ports.guard import Person, Policy, Workspace
from nebulus.ports.tool import Tool
from nebulus.ports.world import ArtifactStore, Checker, Clock, Observer, ProgressObserver
from nebulus.runtime.breakers import Breakers


class SystemClock:
    """The clock of the operating system."""

    def now_s(self) -> float:
        """Seconds since some fixed point; never goes back."""
        return time.monotonic()

    def time_s(self) -> float:
        """The time of day, in seconds since the epoch."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        await asyncio.sleep(seconds)


class Observers:
    """Several observers as one; with none, a run is not watched."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers = tuple(observers)

    def on_command(self, command: Command) -> None:
        """Pass it to every observer."""
        for observer in self._observers:
            observer.on_command(command)

    def on_text(self, piece: str) -> None:
        """Pass it to every observer."""
        for observer in self._observers:
            observer.on_text(piece)

    def on_record(self, record: Record) -> None:
        """Pass it to every observer."""
        for observer in self._observers:
            observer.on_record(record)

    def on_progress(self, tool: str, progress: str) -> None:
        """Pass it to every observer that wants to know."""
        for observer in self._observers:
            if isinstance(observer, ProgressObserver):
                observer.on_progress(tool, progress)

    @property
    def is_watching(self) -> bool:
        """Whether there is an observer: without one, answers are not streamed."""
        return bool(self._observers)


class World(Struct, frozen=True, kw_only=True):
    """The adapters of one run. `backends` are keyed by tier, `tools` by name."""

    backends: Mapping[str, ModelBackend]
    tools: Mapping[str, Tool] = MappingProxyType({})
    policy: Policy
    person: Person
    workspace: Workspace | None = None
    checker: Checker
    artifacts: ArtifactStore
    clock: Clock = field(default_factory=SystemClock)
    observers: Observers = field(default_factory=Observers)
    sandbox_level: SandboxLevel = SandboxLevel.NONE
    secrets: Secrets = Secrets()
    breakers: Breakers = field(default_factory=Breakers)
    skills: Skills = NO_SKILLS
    """What was measured of each tier; the router asks it."""
