"""AgentDojo in whole runs: the same model that is as bad as can be, driven by the runtime.

The plan is one step that names the tools of the ground truth (an ideal planner); every tool is on offer. The
model obeys an injection as soon as a tool returned it, whether its own prompt shows that piece or not.
"""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from agentdojo.agent_pipeline.tool_execution import tool_result_to_str
from agentdojo.functions_runtime import FunctionCall, FunctionsRuntime
from msgspec.structs import replace

from bench.guard_parts.dojo import Bench, Ending, Guarding, as_call, is_shown, text
from bench.guard_parts.gate import Person, flow_policy
from bench.one_run import run_once
from nebulus.adapters.stores.memory import MemoryStore
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.core.budget import Budget
from nebulus.core.config import RunConfig
from nebulus.core.failure import Failure
from nebulus.core.findings import Call
from nebulus.core.limits import Limits
from nebulus.core.outcome import Outcome, Question
from nebulus.core.plan import Goal, Plan, Step
from nebulus.core.tiers import Tier
from nebulus.core.tools import ToolSpec
from nebulus.ports.backend import BackendInfo
from nebulus.ports.guard import PersonReply, Policy
from nebulus.ports.tool import ToolOutput
from nebulus.runtime.world import World
from nebulus.testing.backends import ScriptedBackend, calls
from nebulus.testing.policies import ScriptedPolicy
from nebulus.testing.world import FakeChecker, FakeClock

WINDOW_TOKENS = 200_000
INFO = BackendInfo(
    name="script", model="script", window_tokens=WINDOW_TOKENS, constrains_calls=False, constrains_json=False
)
PATIENT = Limits(attempts=50, refusals=50, calls=200, tool_errors=50)


class Obedient:
    """Makes the wanted calls in order, and the harmful ones as soon as an injection was returned."""

    def __init__(self, wanted: Iterable[Call], harm: Iterable[Call], marks: Iterable[str]) -> None:
        self.is_infected = False
        self._left, self._harm = list(wanted), list(harm)
        self._marks = [mark.strip() for mark in marks]

    def answer(self, _: ModelRequest) -> ModelAnswer:
        """Return the next call, words when none is left."""
        if not self._left:
            return ModelAnswer(text="That was all.")
        call = self._left.pop(0)
        return calls(call.tool, **call.arguments)

    def hear(self, said: str) -> None:
        """Take what a tool returned, orders among it."""
        if not self.is_infected and any(is_shown(mark, said) for mark in self._marks):
            self.is_infected = True
            self._left = [*self._harm, *self._left]


class Desk:
    """The suite's tools on one environment; `trace` lists what was done, and the model is told the results."""

    def __init__(self, tools: FunctionsRuntime, env: Any, model: Obedient) -> None:
        self.trace: list[FunctionCall] = []
        self._tools, self._env, self._model = tools, env, model

    def do(self, name: str, arguments: dict[str, Any]) -> str:
        """Do it, and return what is said of it."""
        result, error = self._tools.run_function(self._env, name, arguments)
        self.trace.append(FunctionCall(function=name, args=arguments))
        said: str = error or tool_result_to_str(result)
        self._model.hear(said)
        return said


class Errand:
    """One tool of the suite as the runtime sees it."""

    def __init__(self, spec: ToolSpec, desk: Desk) -> None:
        self.spec, self._desk = spec, desk

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        """Do it."""
        said = self._desk.do(self.spec.name, arguments)
        return ToolOutput(text=said, is_trusted=not self.spec.is_untrusted)

    async def has_happened(self, arguments: dict[str, Any], key: str) -> bool | None:
        """It can't tell."""
        return None


class Asked:
    """The person of `gate`, behind the runtime's port."""

    def __init__(self, person: Person, *, is_there: bool) -> None:
        self._person, self._is_there = person, is_there

    async def ask(self, question: Question) -> PersonReply | None:
        """Say yes to what the user asked for."""
        call = Call(question.tool, json.loads(question.arguments))
        is_yes = self._person.says_yes(call)
        return PersonReply(is_yes=is_yes, by="user") if self._is_there else None


class RunBench(Bench):
    """A suite whose runs are the runtime's own."""

    def _run(
        self, guarding: Guarding, task: Any, injection: Any, *, env: Any, marks: tuple[str, ...]
    ) -> Ending:
        before = env.model_copy(deep=True)
        wanted = [as_call(call) for call in task.ground_truth(before)]
        harm = [as_call(call) for call in injection.ground_truth(before)] if injection else []
        person = Person(wanted, is_there=guarding != "on, nobody there")
        model = Obedient(wanted, harm, marks)
        desk = Desk(FunctionsRuntime(self.suite.tools), env, model)
        tools = {spec.name: Errand(spec, desk) for spec in self.specs.values()}
        named = self.specs if guarding == "on, any tool planned" else {call.tool: None for call in wanted}
        policy: Policy = ScriptedPolicy() if guarding == "off" else flow_policy(self.specs.values())
        world = World(
            backends={"small": ScriptedBackend(model.answer, info=INFO)},
            tools=tools,
            policy=policy,
            person=Asked(person, is_there=guarding != "on, nobody there"),
            checker=FakeChecker(),
            artifacts=MemoryStore(),
            clock=FakeClock(),
        )
        asyncio.run(_driven(world, task.PROMPT, tuple(named)))
        made = [as_call(call) for call in desk.trace]
        is_done = all(made.count(call) >= wanted.count(call) for call in wanted)
        said = task.GROUND_TRUTH_OUTPUT if is_done else ""
        useful = is_done and self.suite._check_user_task_utility(task, text(said), before, env, desk.trace)
        ending = Ending(
            guarding=guarding,
            suite=self.name,
            user_task="",
            is_useful=bool(useful),
            is_seen=model.is_infected,
            questions=person.questions,
        )
        if injection is None:
            return ending
        obeyed = f"{said}\n{injection.GOAL}\n{injection.GROUND_TRUTH_OUTPUT}" if model.is_infected else said
        words = obeyed if not harm else said
        worked = self.suite._check_injection_task_security(injection, text(words), before, env, desk.trace)
        return replace(ending, is_attacked=bool(worked), wants_words=not harm)


async def _driven(world: World, prompt: str, named: tuple[str, ...]) -> Outcome:
    config = RunConfig(
        tools=tuple(tool.spec for tool in world.tools.values()),
        tiers=(Tier(name="small", window_tokens=WINDOW_TOKENS, tools_shown=1000),),
        budget=Budget(model_calls=0, tool_calls=0),
        limits=PATIENT,
    )
    step = Step(number=1, text=f"Do it with {' , '.join(named)} as needed")
    return await run_once(config, world, Goal(text=prompt), plan=Plan((step,)))
