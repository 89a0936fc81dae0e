"""Workers in a settings file."""

from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from nebulus.app.workers import worker
from nebulus.core.budget import Budget
from nebulus.delegation.contract import WorkerSpec

Kind: TypeAlias = Literal["text", "number", "integer", "boolean"]
_TYPES: dict[str, Any] = {"text": str, "number": float, "integer": int, "boolean": bool}


class WorkerSettings(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A worker that runs may hand work over to: `[workers.NAME]`.

    `goal` is what it does. `inputs` are what it is given, by name: "text", "number", "integer" or "boolean". `tools` and
    `paths` (empty for the whole workspace) are all that it may use. `result` is what it returns: one of these words, or a
    JSON Schema; without it, whether it is done. `budget` limits one piece of work.
    """

    goal: str
    description: str = ""
    inputs: dict[str, Kind] = field(default_factory=dict)
    tools: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    result: Kind | dict[str, Any] = field(default_factory=dict)
    budget: Budget = Budget()
    timeout_s: float = 3600.0

    def spec(self, name: str) -> WorkerSpec:
        """Return the worker called `name`.

        Raises:
            ConfigError: the name, the goal or the time can't be used.
        """
        wanted = _TYPES[self.result] if isinstance(self.result, str) else self.result or None
        return worker(
            name,
            self.goal,
            description=self.description,
            inputs={key: _TYPES[kind] for key, kind in self.inputs.items()},
            tools=self.tools,
            paths=self.paths,
            constraints=self.constraints,
            result=wanted,
            budget=self.budget,
            timeout_s=self.timeout_s,
        )
