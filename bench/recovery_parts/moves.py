"""Each move of the table in a scene that needs it, with the move and without it: scripted models, seeded trouble.

A scene shows that a move does what it is there for, not how often it is needed: it was made to need it.
"""

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec import Struct, field

from bench.one_run import run_once
from bench.recovery_parts.arms import Shelf, SkippingClock, without
from nebulus.adapters.people.absent import AbsentPerson
from nebulus.core.answers import ModelAnswer, ModelRequest, OneCall, Shape
from nebulus.core.config import RunConfig
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.limits import Limits
from nebulus.core.outcome import Done, Outcome
from nebulus.core.plan import Goal, Plan, Step
from nebulus.core.tiers import Tier
from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.defaults import DefaultPolicy
from nebulus.ports.guard import Person, PersonReply
from nebulus.ports.tool import ToolOutput
from nebulus.runtime.breakers import Breakers
from nebulus.runtime.world import World
from nebulus.testing.backends import ScriptedBackend, calls, says
from nebulus.testing.faults import HttpError
from nebulus.testing.people import ScriptedPerson
from nebulus.testing.world import FakeChecker

RUNS_BEHIND_ONE_BREAKER = 6
STARTS = 3
TEXT = {"type": "string"}
Runs: TypeAlias = Callable[[dict[str, Any]], str | Failure]


class Deeds(Struct):
    """What was done to the world, and what was asked of the side that fails."""

    effects: list[str] = field(default_factory=list)
    asked: int = 0
    is_granted: bool = False


class Scene(Struct, frozen=True):
    """Steps (none: a tier plans), tools by name, models by tier, who sits there, and what must have been done."""

    steps: tuple[str, ...]
    tools: Mapping[str, tuple[ToolSpec, Runs]]
    models: Mapping[str, Callable[[ModelRequest], ModelAnswer]]
    wanted: tuple[str, ...]
    done: Deeds
    person: Person = field(default_factory=AbsentPerson)


class SceneTool:
    """A tool made from a function."""

    def __init__(self, spec: ToolSpec, run: Runs) -> None:
        self.spec, self._run = spec, run

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        """Run it."""
        told = self._run(arguments)
        if isinstance(told, Failure):
            return told
        fields = json.loads(told) if told.startswith("{") else {}
        return ToolOutput(text=told, fields=fields)

    async def has_happened(self, arguments: dict[str, Any], key: str) -> bool | None:
        """It can't tell."""
        return None


def _spec(name: str, *parameters: str, effect: Effect = Effect.WRITE, takes_key: bool = True) -> ToolSpec:
    shape = {"type": "object", "properties": dict.fromkeys(parameters, TEXT), "required": list(parameters)}
    return ToolSpec(name=name, parameters=shape, effect=effect, is_idempotent=takes_key)


def _now(request: ModelRequest) -> str:
    return request.messages[-1].content.rsplit("Now: ", 1)[-1]


def _literal(request: ModelRequest) -> ModelAnswer:
    """Do what the step says: the tool that is offered, with the words after its name."""
    wanted = request.form.tool if isinstance(request.form, OneCall) else ""
    tool = next(tool for tool in request.tools if wanted in ("", tool.name))
    names = tool.parameters["properties"]
    value = _now(request).rstrip(".").rsplit(" ", 1)[-1].strip(chr(34))
    return calls(tool.name, **dict.fromkeys(names, value))


def wait(rng: random.Random) -> Scene:
    """A server is busy for a moment."""
    done, busy = Deeds(), rng.randint(1, 3)

    def publish(_: dict[str, Any]) -> str:
        done.asked += 1
        if done.asked <= busy:
            raise HttpError(503)
        done.effects.append("published")
        return "ok"

    return Scene(
        ("publish notes.md",),
        {"publish": (_spec("publish", "path"), publish)},
        {"small": _literal},
        ("published",),
        done,
    )


def ask(rng: random.Random) -> Scene:
    """A model writes its first answers wrong."""
    done, wrong = Deeds(), rng.randint(1, 2)

    def model(request: ModelRequest) -> ModelAnswer:
        done.asked += 1
        return calls("publish", file="notes.md") if done.asked <= wrong else _literal(request)

    def publish(_: dict[str, Any]) -> str:
        done.effects.append("published")
        return "ok"

    tools = {"publish": (_spec("publish", "path"), publish)}
    return Scene(("publish notes.md",), tools, {"small": model}, ("published",), done)


def reread(rng: random.Random) -> Scene:
    """Somebody else has changed the page since it was read, once or twice."""
    done, changes = Deeds(), rng.randint(1, 2)
    page = {"version": rng.randint(1, 99)}
    left = [changes]

    def look(_: dict[str, Any]) -> str:
        return json.dumps(page)

    def save(arguments: dict[str, Any]) -> str | Failure:
        done.asked += 1
        if left[0]:
            left[0] -= 1
            page["version"] += 1
        if arguments["version"] != str(page["version"]):
            return Failure(kind=FailureKind.CONFLICT, fault=Fault.TOOL, what="the page was changed since")
        done.effects.append("saved")
        return "ok"

    def model(request: ModelRequest) -> ModelAnswer:
        wanted = request.form.tool if isinstance(request.form, OneCall) else ""
        if (wanted or request.tools[0].name) == "look_at":
            return calls("look_at", page="plan")
        seen = re.findall(r"version\"?: (\d+)", request.messages[-1].content)
        return calls("save_page", page="plan", version=seen[-1] if seen else "0")

    tools = {
        "look_at": (_spec("look_at", "page", effect=Effect.READ), look),
        "save_page": (_spec("save_page", "page", "version", takes_key=False), save),
    }
    return Scene(("look_at the page plan", "save_page plan"), tools, {"small": model}, ("saved",), done)


def other_tool(rng: random.Random) -> Scene:
    """One of two ways to send is out of order for good."""
    done, broken = Deeds(), rng.choice(("by_mail", "by_post"))

    def way(name: str) -> Runs:
        def send(_: dict[str, Any]) -> str:
            done.asked += 1
            if name == broken:
                raise HttpError(500)
            done.effects.append("sent")
            return "ok"

        return send

    def model(request: ModelRequest) -> ModelAnswer:
        offered = [tool.name for tool in request.tools]
        if "sent" in done.effects:
            return says("It was sent.")
        return calls(broken if broken in offered else offered[0], to="ada")

    tools = {name: (_spec(name, "to"), way(name)) for name in ("by_mail", "by_post")}
    return Scene(("Send the report to ada",), tools, {"small": model}, ("sent",), done)


def escalate(rng: random.Random) -> Scene:
    """The small model reads the step wrong, every time."""
    done, value = Deeds(), f"v{rng.randint(100, 999)}"

    def publish(arguments: dict[str, Any]) -> str:
        done.effects.append(arguments["path"])
        return "ok"

    def small(_: ModelRequest) -> ModelAnswer:
        done.asked += 1
        return calls("publish", path="something")

    tools = {"publish": (_spec("publish", "path"), publish)}
    return Scene((f'publish path = "{value}"',), tools, {"small": small, "large": _literal}, (value,), done)


def replan(rng: random.Random) -> Scene:
    """The first plan goes by a way that does not exist."""
    done, good = Deeds(), rng.choice(("as_text", "as_page"))

    def way(name: str) -> Runs:
        def export(_: dict[str, Any]) -> str | Failure:
            done.asked += 1
            if name != good:
                return Failure(kind=FailureKind.PERMANENT, fault=Fault.TOOL, what=f"{name} is not supported")
            done.effects.append("exported")
            return "ok"

        return export

    def model(request: ModelRequest) -> ModelAnswer:
        if not isinstance(request.form, Shape):
            return _literal(request)
        ways = ("as_text", "as_page")
        failed = [name for name in ways if f"{name} is not supported" in request.messages[-1].content]
        name = good if failed else next(way for way in ways if way != good)
        return says(json.dumps({"steps": [{"text": f"{name} of plan.md", "tool": name}]}))

    tools = {name: (_spec(name, "path"), way(name)) for name in ("as_text", "as_page")}
    return Scene((), tools, {"small": model}, ("exported",), done)


def person(_: random.Random) -> Scene:
    """A right is missing, and somebody there can give it."""
    done = Deeds()

    def publish(_: dict[str, Any]) -> str:
        done.asked += 1
        if not done.is_granted:
            raise HttpError(403)
        done.effects.append("published")
        return "ok"

    class Giving(ScriptedPerson):
        async def ask(self, question: Any) -> PersonReply | None:
            done.is_granted = True
            return PersonReply(is_yes=True, by="script")

    tools = {"publish": (_spec("publish", "path"), publish)}
    return Scene(("publish notes.md",), tools, {"small": _literal}, ("published",), done, Giving())


def stop(rng: random.Random) -> Scene:
    """The step after a payment can't be done: starting the job again pays again."""
    done, fee = Deeds(), f"{rng.randint(1, 99)}-euro"

    def pay(_: dict[str, Any]) -> str:
        done.effects.append("paid")
        return "ok"

    def fetch(_: dict[str, Any]) -> str:
        done.asked += 1
        raise HttpError(404)

    tools = {
        "pay": (_spec("pay", "amount", takes_key=False), pay),
        "fetch": (_spec("fetch", "path", takes_key=False), fetch),
    }
    return Scene((f"pay {fee}", "fetch receipt.pdf"), tools, {"small": _literal}, ("paid", "fetched"), done)


def breaker(rng: random.Random) -> Scene:
    """A server is down for a while, and six runs want it, one after the other."""
    done, down = Deeds(), rng.uniform(20, 120)
    clock = CLOCK[0]
    up_at = clock.now_s() + down

    def publish(_: dict[str, Any]) -> str:
        done.asked += 1
        if clock.now_s() < up_at:
            raise HttpError(503)
        done.effects.append("published")
        return "ok"

    tools = {"publish": (_spec("publish", "path"), publish)}
    return Scene(("publish notes.md",), tools, {"small": _literal}, ("published",), done)


CLOCK = [SkippingClock()]
"""The clock of the scene that is being played."""
SCENES = (wait, ask, reread, other_tool, escalate, replan, person, stop, breaker)


async def play(made: Callable[[random.Random], Scene], seed: int, *, is_on: bool) -> tuple[list[str], Scene]:
    """Play a scene; return how each of its runs ended: right, loud or silent."""
    CLOCK[0] = SkippingClock()
    scene, move = made(random.Random(f"{made.__name__} {seed}")), made.__name__
    limits = Limits(strategies={} if is_on else without(move))
    resting = Limits() if is_on or move != "breaker" else Limits(breaker_failures=10**9)
    breakers, ends = Breakers(resting), []
    for number in range(RUNS_BEHIND_ONE_BREAKER if move == "breaker" else 1):
        outcome = await _run(scene, f"run-{number}", limits=limits, breakers=breakers)
        for again in range(0 if is_on or move != "stop" else STARTS - 1):
            outcome = await _run(scene, f"again-{again}", limits=limits, breakers=breakers)
        is_right = scene.done.effects[-len(scene.wanted) :] == list(scene.wanted)
        is_done = isinstance(outcome, Done)
        ends.append("right" if is_done and is_right else "silent" if is_done else "loud")
    return ends, scene


async def _run(scene: Scene, run_id: str, *, limits: Limits, breakers: Breakers) -> Outcome:
    tools = {name: SceneTool(spec, run) for name, (spec, run) in scene.tools.items()}
    config = RunConfig(
        tools=tuple(tool.spec for tool in tools.values()),
        tiers=tuple(Tier(name=name, window_tokens=4096) for name in scene.models),
        limits=limits,
    )
    world = World(
        backends={name: ScriptedBackend(model) for name, model in scene.models.items()},
        tools=tools,
        policy=DefaultPolicy(),
        person=scene.person,
        checker=FakeChecker(),
        artifacts=Shelf(),
        clock=CLOCK[0],
        breakers=breakers,
    )

    plan = Plan(tuple(Step(number=n, text=text) for n, text in enumerate(scene.steps, 1)), origin="runbook")
    return await run_once(config, world, Goal(text="Get it done."), plan=plan, run_id=run_id)


async def _measured(made: Callable[[random.Random], Scene], episodes: int, *, is_on: bool) -> str:
    """Return one line of the table."""
    ends: Counter[str] = Counter()
    repeated = asked = 0
    for seed in range(episodes):
        of_runs, scene = await play(made, seed, is_on=is_on)
        ends.update(of_runs)
        repeated += len(scene.done.effects) - len({*scene.done.effects}) * len(of_runs)
        asked += scene.done.asked
    told = (made.__doc__ or "").strip() if is_on else ""
    with_it = "with" if is_on else "without"
    return (
        f"| {made.__name__} | {told} | {with_it} | {ends.total()} | {ends['right']} | {ends['loud']} "
        f"| {ends['silent']} | {max(0, repeated)} | {asked} |"
    )


def main(episodes: int) -> None:
    """Print the table: each scene with its move and without."""
    print(
        "| move | scene | | runs | goal reached | stopped loudly | wrong or silent | repeated effects "
        "| asked of what fails |\n|---|---|---|--:|--:|--:|--:|--:|--:|"
    )
    for made in SCENES:
        for is_on in (True, False):
            print(asyncio.run(_measured(made, episodes, is_on=is_on)), flush=True)
