"""The world in which a job is carried out, and its score.

Invariants: a call that does not validate, or that meets a busy world, has no effect; the expected call advances
the job by one step; any other valid call has an effect that cannot be taken back, and the job is no longer
clean. Results depend on the random state and on what was executed, never on how it was asked for.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nano import values, wording
from nano.language import Job, Reference
from nano.lexicon import Split
from nano.values import Value

BUSY: Final = '{"error": "busy, try again"}'
_TYPES: Final[dict[str, type]] = {"string": str, "integer": int, "boolean": bool}


def fault(tools: tuple[dict[str, Any], ...], name: str, arguments: Mapping[str, object]) -> str:
    """Return what is wrong with a call by the tools' own schemas, or an empty string."""
    found = [t["function"] for t in tools if t["function"]["name"] == name]
    if not found:
        return f"unknown_tool: there is no tool {name}"
    shape = found[0]["parameters"]
    for required in shape["required"]:
        if required not in arguments:
            return f"invalid: {required} is missing"
    for key, value in arguments.items():
        if key not in shape["properties"]:
            return f"invalid: there is no argument {key}"
        rule = shape["properties"][key]
        if type(value) is not _TYPES[rule["type"]]:
            return f"invalid: {key} must be of type {rule['type']}"
        if "enum" in rule and value not in rule["enum"]:
            return f"invalid: {key} must be one of {', '.join(rule['enum'])}"
    return ""


@dataclass(slots=True)
class Environment:
    """Executes the calls of one job and keeps the score; `results` holds what each done step returned."""

    job: Job
    rng: random.Random
    busy_rate: float = 0.08
    split: Split = "train"
    results: dict[int, dict[str, Value]] = field(default_factory=dict)
    calls: int = 0
    rejected: int = 0
    wrong: int = 0

    @property
    def done(self) -> int:
        """Return how many steps are done."""
        return len(self.results)

    @property
    def is_complete(self) -> bool:
        """Return whether every expected call was executed, in order."""
        return self.done == len(self.job.steps)

    @property
    def is_clean(self) -> bool:
        """Return whether no wrong call was ever executed."""
        return self.wrong == 0

    def expected(self) -> tuple[str, dict[str, Value]]:
        """Return the call that is due. Raises: IndexError when the job is complete."""
        step = self.job.steps[self.done]
        return step.tool, {name: self._value(argument) for name, argument in step.arguments}

    def _value(self, argument: Value | Reference) -> Value:
        if isinstance(argument, Reference):
            return self.results[argument.step][argument.field]
        return argument

    def is_expected(self, name: str, arguments: Mapping[str, object]) -> bool:
        """Return whether a call is exactly the one that is due, types included."""
        if self.is_complete:
            return False
        tool, due = self.expected()
        same = name == tool and dict(arguments) == due
        return same and all(type(arguments[key]) is type(value) for key, value in due.items())

    def execute(self, name: str, arguments: Mapping[str, object]) -> str:
        """Carry out one call and return its result as JSON text; an error is a result with the key `error`."""
        self.calls += 1
        wrong = fault(self.job.tools, name, arguments)
        if wrong:
            self.rejected += 1
            return wording.as_json({"error": wrong})
        if self.rng.random() < self.busy_rate:
            return BUSY
        if not self.is_expected(name, arguments):
            self.wrong += 1
            return wording.as_json(self._result("result"))
        outcome = self._result(self.job.steps[self.done].yields)
        self.results[self.done + 1] = outcome
        return wording.as_json(outcome)

    def _result(self, key: str) -> dict[str, Value]:
        draw = {"path": values.path, "id": values.code, "key": values.code, "name": values.word}.get(
            key, values.bare
        )
        outcome: dict[str, Value] = {key: draw(self.rng, self.split)}
        if self.rng.random() < 0.15:
            outcome |= self.rng.choice(({"status": "ok"}, {"size": self.rng.randint(0, 9999)}, {"ok": True}))
        return outcome
