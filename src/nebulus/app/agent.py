"""The library's front door: an agent with tools of one's own, in a few lines."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nebulus.app.application import Predicates, new_run_id, open_application
from nebulus.app.bootstrap import MEMORY
from nebulus.app.settings import NANO, EngineSettings, Settings, TierSettings
from nebulus.core.budget import Budget
from nebulus.core.outcome import Outcome
from nebulus.ports.guard import Person, Policy
from nebulus.ports.tool import Tool
from nebulus.ports.world import Observer


class Agent:
    """Carries goals out with the given tools on the given models.

    `model` is one spelling or a sequence from small to large: `nano`, `PATH.gguf`, `ollama:qwen3:8b`,
    `http://localhost:8000#NAME`. `window_tokens` says how large a window is where a server does not tell,
    or narrows it. With a `workspace`, the built-in file tools are there too. `engine` is
    "memory" (nothing survives the process), a SQLite path, or a PostgreSQL URL. `checks` are predicates
    that a goal may name ("named NAME").

        agent = Agent(tools=[weather], model="ollama:qwen3:8b")
        outcome = agent.run("Find out whether it rains in Oslo.")
    """

    def __init__(
        self,
        *,
        tools: Sequence[Tool] = (),
        model: str | Sequence[str] = NANO,
        window_tokens: int = 0,
        workspace: str | Path | None = None,
        engine: str = MEMORY,
        policy: Policy | None = None,
        person: Person | None = None,
        budget: Budget | None = None,
        checks: Predicates | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        models = [model] if isinstance(model, str) else list(model)
        self._settings = Settings(
            tiers={
                spelling: TierSettings(model=spelling, window_tokens=window_tokens) for spelling in models
            },
            engine=EngineSettings(url=engine),
            budget=budget or Budget(),
        )
        self._workspace = None if workspace is None else Path(workspace)
        self._plugs: dict[str, Any] = {
            "tools": tools,
            "policy": policy,
            "person": person,
            "predicates": checks,
            "observers": observers,
        }

    def run(self, goal: str) -> Outcome:
        """Carry `goal` out and return its outcome: prose, or a runbook with numbered steps.

        Raises:
            ConfigError: a model, the workspace or the goal can't be used; nothing was begun.
        """
        return asyncio.run(self.run_async(goal))

    async def run_async(self, goal: str) -> Outcome:
        """As `run`, inside a running event loop."""
        async with open_application(self._settings, Path.cwd(), **self._plugs) as application:
            request = await application.prepare(goal, workspace=self._workspace)
            return await application.supervisor.start(new_run_id(), request)
