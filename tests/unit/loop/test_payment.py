"""What an answer costs, and what the next prompt keeps of it."""

from msgspec.structs import replace

from nebulus.core.answers import ModelAnswer, Usage
from nebulus.core.events import ModelAnswered
from nebulus.core.tiers import StepKind
from nebulus.loop.payment import pay
from tests.unit.loop import scenario as sc


def test_the_order_of_the_tools_outlasts_a_prompt_that_narrowed_them() -> None:
    machine = replace(sc.begun(sc.step(1, "look")).machine, tools_shown=())
    answer = ModelAnswer(usage=Usage(prompt_tokens=10, completion_tokens=2))
    whole = ModelAnswered(
        step=1, kind=StepKind.EXECUTE, tier=sc.SMALL.name, answer=answer, tools_shown=("put", "look")
    )
    paid = pay(machine, whole)
    assert paid.tools_shown == ("put", "look")
    assert pay(paid, replace(whole, tools_shown=())).tools_shown == ("put", "look")
    assert (paid.spent.model_calls, paid.spent.tokens) == (1, 12)
