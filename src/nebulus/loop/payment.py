"""The cost of an answer: it counts towards the budget whether the answer is usable or not."""

from msgspec.structs import replace

from nebulus.core.answers import Usage
from nebulus.core.events import ModelAnswered, ModelFailed
from nebulus.loop.machine import Machine
from nebulus.memory.window import updated_rate


def pay(machine: Machine, event: ModelAnswered) -> Machine:
    """Return the machine with an answer paid for, and its tier's tokens per byte updated."""
    usage = event.answer.usage
    usd = machine.config.tier(event.tier).cost_usd(usage.prompt_tokens, usage.completion_tokens)
    rate = updated_rate(machine.tokens_per_byte.get(event.tier, 0.0), event.prompt_bytes, usage.prompt_tokens)
    return replace(
        machine,
        spent=machine.spent.with_answer(usage, seconds=event.took_s, usd=usd),
        tokens_per_byte={**machine.tokens_per_byte, event.tier: rate},
        tools_shown=event.tools_shown or machine.tools_shown,
    )


def pay_failed(machine: Machine, event: ModelFailed) -> Machine:
    """Return the machine with a failed attempt counted."""
    return replace(machine, spent=machine.spent.with_answer(Usage(), seconds=event.took_s, usd=0.0))
