"""The contract under which a worker does a piece of work.

Invariants: a contract gives no more than who hands over has: fewer tools, narrower paths, at most the budget that is
left; what is handed over is data, with the label it had; the task itself is the program's text, never a model's.
"""

from typing import Any

from msgspec import Struct, field

from nebulus.core.authority import MOST_LINKS, Authority, HandOver, is_below
from nebulus.core.budget import ACTING, ASKING, Budget
from nebulus.core.digest import canonical, short_digest
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.plan import Check, Goal, Input
from nebulus.core.provenance import Provenance
from nebulus.core.result import ResultSpec, wrapped
from nebulus.core.tools import EFFECTS, Effect, ToolSpec


class WorkerSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A worker: what it is for, what it is given, what it may do, and what it returns.

    `inputs` is a JSON Schema of type object. `tools` and `paths` are all that it may use, `budget` is all that one piece
    of work may cost.
    """

    name: str
    description: str
    goal: str
    inputs: dict[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})
    tools: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    result: ResultSpec | None = None
    budget: Budget = Budget()
    timeout_s: float = 3600.0

    def tool(self, tools: dict[str, ToolSpec]) -> ToolSpec:
        """Return the worker as a tool: its effect is the most consequential one of the `tools` that it may use."""
        effects = [tools[name].effect for name in self.tools] or [Effect.READ]
        return ToolSpec(
            name=self.name,
            description=self.description,
            parameters=self.inputs,
            effect=max(effects, key=EFFECTS.index),
            is_idempotent=True,
            is_untrusted=True,
            is_worker=True,
            timeout_s=self.timeout_s,
            references=tuple(_texts(self.inputs)),
            returns=returned(self.result),
        )


class Contract(Struct, frozen=True, kw_only=True):
    """One piece of work: the run that does it, its goal with the inputs as data, and its authority."""

    run_id: str
    agent: str
    goal: Goal
    authority: Authority


def contract(
    worker: WorkerSpec, arguments: dict[str, Any], handed: HandOver, *, key: str
) -> Contract | Failure:
    """Return the contract for a call of a worker, with the same run for each attempt at the same call.

    A failure says what can't be handed over.
    """
    given = handed.authority
    if len(given.chain) >= MOST_LINKS:
        return _refused(f"{worker.name} would be worker {len(given.chain)} in a chain", "do it without it")
    spent = next((name for name in (*ASKING, *ACTING) if getattr(given.budget, name) < 0), "")
    if spent:
        return _refused(
            f"the {spent} of this run are used up", "stop here", kind=FailureKind.EXHAUSTED_BUDGET
        )
    run_id = f"{given.chain[0][:40] if given.chain else worker.name}.{short_digest([given.chain, key])}"
    labels = {label.argument: label.provenance for label in handed.labels}
    inputs = tuple(
        Input(name, _text(value), labels.get(name, Provenance())) for name, value in arguments.items()
    )
    goal = Goal(
        text=worker.goal,
        constraints=worker.constraints,
        checks=worker.checks,
        inputs=inputs,
        result=worker.result,
    )
    return Contract(
        run_id=run_id,
        agent=worker.name,
        goal=goal,
        authority=narrowed(
            given,
            Authority(
                tools=tuple(sorted(set(worker.tools))),
                paths=worker.paths,
                budget=worker.budget,
                chain=(*given.chain, run_id),
            ),
        ),
    )


def narrowed(given: Authority, wanted: Authority) -> Authority:
    """Return what of `wanted` is within `given`. Nothing of it is more than `given`."""
    return Authority(
        tools=tuple(sorted(set(given.tools) & set(wanted.tools))),
        paths=_paths_within(given.paths, wanted.paths),
        budget=_least(given.budget, wanted.budget),
        chain=wanted.chain,
    )


def _paths_within(given: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the paths that both allow; where that is nothing, a path that does not exist, since none means all."""
    if not given or not wanted:
        return given or wanted
    inner = [path for path in wanted if any(is_below(path, root) for root in given)]
    outer = [root for root in given if any(is_below(root, path) for path in wanted)]
    return tuple(dict.fromkeys((*inner, *outer))) or (NOWHERE,)


NOWHERE = "\0"
"""A path that can't exist."""


def _least(given: Budget, wanted: Budget) -> Budget:
    """Return the smaller limit of each resource; 0 is no limit."""

    def least(name: str) -> Any:
        limits = [limit for limit in (getattr(given, name), getattr(wanted, name)) if limit]
        return min(limits, default=0)

    calls = {
        tool: min(given.calls.get(tool, limit), limit)
        for tool, limit in {**given.calls, **wanted.calls}.items()
    }
    names = [name for name in Budget.__struct_fields__ if name != "calls"]
    return Budget(**{name: least(name) for name in names}, calls=calls)


def returned(result: ResultSpec | None) -> dict[str, Any]:
    """Return the JSON Schema of what a worker returns: its answer, in a field of its own if it is not an object."""
    if result is None or result.is_text:
        return {}
    return wrapped(result.schema) if is_wrapped(result) else result.schema


def is_wrapped(result: ResultSpec | None) -> bool:
    """Whether what a worker answers is handed back in a field of its own, since it need not be an object."""
    return result is None or result.schema.get("type") != "object"


def _texts(schema: dict[str, Any]) -> list[str]:
    """Return the inputs that are plain texts: a long one may be given by reference."""
    properties = schema.get("properties", {})
    return [name for name, one in properties.items() if one.get("type") == "string" and "enum" not in one]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value).decode()


def _refused(what: str, fix: str, *, kind: FailureKind = FailureKind.PERMISSION) -> Failure:
    return Failure(kind=kind, fault=Fault.CONTRACT, what=what, fix=fix)
