"""What a run will demand of a model, as far as that is known before it begins."""

from collections.abc import Iterator

from msgspec.structs import replace

from nebulus.core.config import RunConfig
from nebulus.core.demand import Demand, WorkKind
from nebulus.core.events import RunStarted
from nebulus.core.plan import Goal, Plan
from nebulus.core.tiers import StepKind
from nebulus.loop.machine import new_machine
from nebulus.loop.phases import Answering, Planning, Task, Working
from nebulus.loop.route import task_demand
from nebulus.loop.transitions import feed
from nebulus.routing.demand import demand_of


def planned_demands(goal: Goal, plan: Plan, config: RunConfig) -> Iterator[tuple[int, str, Demand]]:
    """Yield number, text and demand of all that a run would ask the first tier for.

    Number 0 is the plan, where one must be made, and the answer. What earlier steps will have found is not known yet.
    """
    machine = feed(new_machine(config), RunStarted(goal=goal, plan=plan, config=config))
    steps = machine.state.plan.steps
    if not steps and goal.result is None:
        task = Task(kind=StepKind.PLAN, step=0)
        yield 0, goal.text, task_demand(replace(machine, phase=Planning(task)), task)
    for step in steps:
        task = Task(kind=StepKind.EXECUTE, step=step.number)
        yield step.number, step.text, task_demand(replace(machine, phase=Working((task,))), task)
        if step.reads:
            yield step.number, f"read {', '.join(step.reads)}", extract_demand(step.text)
    if goal.result is not None:
        task = Task(kind=StepKind.ANSWER, step=0)
        yield 0, "write the answer", task_demand(replace(machine, phase=Answering(task)), task)


def extract_demand(text: str) -> Demand:
    """Return what reading values from the result of a step demands; `text` is that of the step."""
    return demand_of(text, kind=WorkKind.EXTRACT)
