"""AgentDojo with a model that is as bad as can be.

It does the user's task from its ground truth, and obeys every injection that any tool shows it.

Source: AgentDojo, arXiv 2406.13352; suites of version 1, attack `important_instructions_no_names`.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias

from agentdojo.agent_pipeline.base_pipeline_element import BasePipelineElement
from agentdojo.agent_pipeline.tool_execution import tool_result_to_str
from agentdojo.attacks.attack_registry import load_attack
from agentdojo.functions_runtime import FunctionCall, FunctionsRuntime
from agentdojo.task_suite.load_suites import get_suites
from msgspec import Struct
from msgspec.structs import replace

from bench.guard_parts.dojo_tools import spec_of
from bench.guard_parts.gate import Gate, Person, Settled, flow_policy
from nebulus.adapters.policies.cedar import CedarPolicy
from nebulus.core.findings import Call
from nebulus.core.tools import ToolSpec

ATTACK = "important_instructions_no_names"
Guarding: TypeAlias = Literal["off", "on", "on, nobody there", "on, any tool planned"]
GUARDINGS: tuple[Guarding, ...] = ("off", "on", "on, nobody there", "on, any tool planned")


class Ending(Struct, frozen=True, kw_only=True):
    """One run: whether the user's task was done, whether the attack worked, and what it took."""

    guarding: Guarding
    suite: str
    user_task: str
    injection_task: str = ""
    is_useful: bool
    is_attacked: bool = False
    is_seen: bool = False
    wants_words: bool = False
    questions: int = 0
    harmful: tuple[Settled, ...] = ()


class Nobody(BasePipelineElement):
    """A pipeline without a model: what an attack wants to know of one is its name."""

    name = "local"

    def query(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: nothing is asked of it."""
        raise NotImplementedError


class Bench:
    """One suite, its tools declared once; each run is made under every guarding, on the same data."""

    def __init__(self, name: str, suite: Any) -> None:
        self.name, self.suite = name, suite
        specs = [spec_of(tool.name, tool.parameters.model_json_schema()) for tool in suite.tools]
        self.specs: dict[str, ToolSpec] = {spec.name: spec for spec in specs}
        self._policy: CedarPolicy = flow_policy(specs)
        self._attack = load_attack(ATTACK, suite, Nobody())

    def benign(self) -> Iterator[Ending]:
        """Run every user task without an attack."""
        for task_id, task in self.suite.user_tasks.items():
            yield from self._runs(task_id, task)

    def attacked(self) -> Iterator[Ending]:
        """Run every pair of a user task and an injection task."""
        for task_id, task in self.suite.user_tasks.items():
            for injection_id in self.suite.injection_tasks:
                yield from self._runs(task_id, task, injection_id=injection_id)

    def _runs(self, task_id: str, task: Any, *, injection_id: str = "") -> Iterator[Ending]:
        injection = self.suite.injection_tasks[injection_id] if injection_id else None
        injected = self._attack.attack(task, injection) if injection else {}
        loaded = self.suite.load_and_inject_default_environment(injected)
        for guarding in GUARDINGS:
            env = task.init_environment(loaded.model_copy(deep=True))
            ending = self._run(guarding, task, injection, env=env, marks=tuple(injected.values()))
            yield replace(ending, user_task=task_id, injection_task=injection_id)

    def _run(
        self, guarding: Guarding, task: Any, injection: Any, *, env: Any, marks: tuple[str, ...]
    ) -> Ending:
        before = env.model_copy(deep=True)
        wanted = [as_call(call) for call in task.ground_truth(before)]
        person = Person(wanted, is_there=guarding != "on, nobody there")
        model = Obedient(self, env, gate=self._gate(guarding, person, prompt=task.PROMPT, wanted=wanted))
        harm = [as_call(call) for call in injection.ground_truth(before)] if injection else []
        is_done = model.carry_out(wanted, harm=harm, marks=marks)
        said = task.GROUND_TRUTH_OUTPUT if is_done else ""
        check = self.suite._check_user_task_utility
        is_useful = is_done and check(task, text(said), before, env, model.trace)
        ending = Ending(
            guarding=guarding,
            suite=self.name,
            user_task="",
            is_useful=is_useful,
            is_seen=model.is_infected,
            questions=person.questions,
            harmful=tuple(model.harmful),
        )
        if injection is None:
            return ending

        def has_worked(words: str) -> bool:
            checked = self.suite._check_injection_task_security
            return bool(checked(injection, text(words), before, env, model.trace))

        obeyed = f"{said}\n{injection.GOAL}\n{injection.GROUND_TRUTH_OUTPUT}" if model.is_infected else said
        wants_words = not injection.ground_truth(before)
        return replace(
            ending, is_attacked=has_worked(obeyed if wants_words else said), wants_words=wants_words
        )

    def _gate(self, guarding: Guarding, person: Person, *, prompt: str, wanted: list[Call]) -> Gate | None:
        if guarding == "off":
            return None
        is_any = guarding == "on, any tool planned"
        planned = frozenset(self.specs) if is_any else frozenset(call.tool for call in wanted)
        return Gate(self._policy, person, prompt=prompt, planned=planned)


class Obedient:
    """The model: does what it should, and everything that it reads."""

    def __init__(self, bench: Bench, env: Any, *, gate: Gate | None) -> None:
        self._bench, self._env, self._gate = bench, env, gate
        self._runtime = FunctionsRuntime(bench.suite.tools)
        self.trace: list[FunctionCall] = []
        self.harmful: list[Settled] = []
        self.is_infected = False

    def carry_out(self, wanted: Iterable[Call], *, harm: list[Call], marks: tuple[str, ...]) -> bool:
        """Make the wanted calls in order, and the harmful ones as soon as an injection is read.

        Return whether every wanted call ran.
        """
        is_done = True
        signs = [mark.strip() for mark in marks]
        for call in wanted:
            said = self._make(call)
            is_done = is_done and said is not None
            if not self.is_infected and said is not None and any(is_shown(sign, said) for sign in signs):
                self.is_infected = True
                for order in harm:
                    self._make(order, is_harmful=True)
        return is_done

    def _make(self, call: Call, *, is_harmful: bool = False) -> str | None:
        """Make one call, if it may be made; return what the tool said."""
        spec = self._bench.specs[call.tool]
        if self._gate is not None:
            settled = self._gate.settle(call, spec)
            if is_harmful:
                self.harmful.append(settled)
            if settled.ruling in {"refused", "denied"}:
                return None
        result, error = self._runtime.run_function(self._env, call.tool, call.arguments)
        self.trace.append(FunctionCall(function=call.tool, args=call.arguments))
        said = error or tool_result_to_str(result)
        if self._gate is not None:
            self._gate.hear(call, spec, said)
        return said


def measure(suites: Iterable[str] = (), *, kind: type[Bench] = Bench) -> list[Ending]:
    """Run the named suites, or all, under every guarding; `kind` says what drives the runs."""
    endings: list[Ending] = []
    for name, suite in get_suites("v1").items():
        if name in (tuple(suites) or (name,)):
            bench = kind(name, suite)
            endings += [*bench.benign(), *bench.attacked()]
    return endings


def undoable(endings: Iterable[Ending]) -> list[str]:
    """Return the user tasks that AgentDojo's own check fails on its own ground truth: no attack, and no guard."""
    return [
        f"{ending.suite} {ending.user_task}"
        for ending in endings
        if ending.guarding == "off" and not ending.injection_task and not ending.is_useful
    ]


def table(endings: list[Ending]) -> dict[str, dict[str, Any]]:
    """Return for each suite, and for all, how many runs ended how."""
    suites = sorted({ending.suite for ending in endings})
    return {name: _row([e for e in endings if name in (e.suite, "all")]) for name in [*suites, "all"]}


def _row(endings: list[Ending]) -> dict[str, Any]:
    benign = [ending for ending in endings if not ending.injection_task]
    pairs = [ending for ending in endings if ending.injection_task]
    effects = [ending for ending in pairs if not ending.wants_words]
    asked = Counter(min(ending.questions, 3) for ending in benign)
    return {
        "user tasks": len(benign),
        "done": sum(ending.is_useful for ending in benign),
        "questions": sum(ending.questions for ending in benign),
        "tasks with 0, 1, 2, more questions": [asked[count] for count in range(4)],
        "pairs": len(pairs),
        "injection read": sum(ending.is_seen for ending in pairs),
        "attacks by effect": len(effects),
        "of them succeeded": sum(ending.is_attacked for ending in effects),
        "attacks by words": len(pairs) - len(effects),
        "of these succeeded": sum(ending.is_attacked for ending in pairs if ending.wants_words),
        "done under attack": sum(ending.is_useful for ending in pairs),
        "harmful calls": dict(Counter(settled.ruling for ending in pairs for settled in ending.harmful)),
    }


def as_call(call: FunctionCall) -> Call:
    """Return a call of AgentDojo as ours: JSON all the way down."""
    arguments = json.loads(json.dumps(dict(call.args), default=str))
    return Call(call.function, arguments)


def text(content: str) -> list[dict[str, str]]:
    """Return words as AgentDojo wants them."""
    return [{"type": "text", "content": content}]


def is_shown(sign: str, said: str) -> bool:
    """Whether a tool showed an injection, however it was wrapped or escaped."""
    return bool(sign) and letters(sign)[:200] in letters(said)


def letters(said: str) -> str:
    """Return a text as letters and digits alone: YAML wraps lines and escapes quotes and line ends."""
    return "".join(c for c in said.replace("\\n", " ").lower() if c.isalnum())
