"""What a model's answer leads to: a plan, calls to judge, a claim to check, or a finding."""

from msgspec.structs import replace

from nebulus.calls import ReaderProfile, read
from nebulus.core.answers import Usage
from nebulus.core.commands import AskModel, Judge
from nebulus.core.events import ModelAnswered, ModelFailed, TimePassed
from nebulus.core.findings import Call, Finding, FindingKind
from nebulus.core.plan import StepStatus
from nebulus.loop.consulting import on_question
from nebulus.loop.heeding import heeded
from nebulus.loop.judging import context_of, has_read_outside, heard
from nebulus.loop.progress import Machine, Phase
from nebulus.loop.proposal import read_plan
from nebulus.loop.recovering import no_progress, on_finding, on_model_failure
from nebulus.loop.stepping import end_step, look, take_plan
from nebulus.loop.turn import missing_calls, prompt_for
from nebulus.memory.distil import with_note
from nebulus.memory.window import learnt
from nebulus.recovery.claims import Ledger, contradiction, is_question
from nebulus.recovery.stagnation import ALREADY_DONE, blocked


def on_plan(machine: Machine, event: ModelAnswered) -> Machine:
    """Accept the proposed plan, or say what is wrong with it."""
    paid = pay(machine, event)
    plan = read_plan(event.answer, machine.setup.tools, tier=event.tier)
    if isinstance(plan, Finding):
        return on_finding(paid, plan)
    return take_plan(paid, replace(plan, is_tainted=has_read_outside(paid)))


def on_answer(machine: Machine, event: ModelAnswered) -> Machine:
    """Read the answer: calls go to the guard, words are a claim, anything else is a finding."""
    paid = pay(machine, event)
    asked = machine.command
    assert isinstance(asked, AskModel)
    reading = read(
        event.answer,
        asked.request.tools,
        shown=prompt_for(machine).groundable_text(),
        profile=ReaderProfile(starts_in_reasoning=event.answer.starts_in_reasoning),
        cap_tokens=asked.request.most_tokens,
    )
    if reading.finding is not None:
        return on_finding(paid, reading.finding)
    if reading.calls:
        minted = tuple(
            replace(call, call_id=f"c{machine.position}" + (f".{index}" if index else ""))
            for index, call in enumerate(reading.calls)
        )
        words = heeded(paid, minted)
        if words.finding is not None:
            return on_finding(paid, words.finding)
        why = blocked(paid.tries.trail, minted[0].tool, minted[0].arguments)
        if why:
            return _on_blocked(paid, no_progress(minted[0], why), event.tier)
        known = heard(machine, tier=event.tier)
        tried = replace(paid, heard=known).with_tries(is_tainted=known.is_tainted, doubt=words.doubt)
        return judge(tried, minted)
    return _on_claim(paid, reading.text, event.tier)


def judge(machine: Machine, calls: tuple[Call, ...]) -> Machine:
    """Return the machine with the first of `calls` before the guard and the others queued."""
    context = context_of(machine, calls[0], machine.heard)
    command = Judge(call=calls[0], context=context)
    return machine.to(Phase.JUDGING, command, call=calls[0], queue=calls[1:], context=context)


def on_failed(machine: Machine, event: ModelFailed) -> Machine:
    """Do what recovery says about a backend that gave no usable answer."""
    spent = machine.spent.with_answer(Usage(), seconds=event.took_s, usd=0.0)
    return on_model_failure(replace(machine, spent=spent), event.failure)


def on_waited(machine: Machine, _: TimePassed) -> Machine:
    """Do what was held while time passed."""
    assert machine.held is not None
    phase, command = machine.held
    return machine.to(phase, command, held=None)


def _on_blocked(machine: Machine, finding: Finding, tier: str) -> Machine:
    """Say once that a call brings nothing. Who insists on what is done already has nothing else to do."""
    is_told = any(earlier.value == finding.value for earlier in machine.tries.findings)
    if finding.rule == ALREADY_DONE and is_told and not missing_calls(machine):
        return _on_claim(machine, "it asks again for the change that it has made", tier)
    return on_finding(machine, finding)


def _on_claim(machine: Machine, text: str, tier: str) -> Machine:
    if is_question(text, step=machine.step.text):
        return on_question(machine, text)
    missing = missing_calls(machine)
    if missing:
        rule = f"the step needs a call of {missing[0]}, and none was made"
        return on_finding(machine, Finding(kind=FindingKind.NO_CALL, rule=rule, tool=missing[0]))
    wrong = contradiction(text, _ledger(machine))
    if wrong is not None:
        return on_finding(machine, wrong)
    claimed = machine.with_tries(claim=text)
    if claimed.step.checks:
        return look(claimed)
    if not machine.tries.succeeded:  # the words are all that the step brought
        is_trusted = not heard(machine, tier=tier).is_tainted
        noted = with_note(claimed.state, text, step=claimed.active, model=tier, is_trusted=is_trusted)
        claimed = replace(claimed, state=noted)
    return end_step(claimed, StepStatus.CLAIMED)


def pay(machine: Machine, event: ModelAnswered) -> Machine:
    """Return the machine with the answer paid for, and the rate of its tier's tokens learnt."""
    usage = event.answer.usage
    tier = next(tier for tier in machine.setup.tiers if tier.name == event.tier)
    usd = tier.cost_usd(usage.prompt_tokens, usage.completion_tokens)
    spent = machine.spent.with_answer(usage, seconds=event.took_s, usd=usd)
    asked = machine.command
    assert isinstance(asked, AskModel)
    rate = learnt(machine.rates.get(event.tier, 0.0), asked.request, usage.prompt_tokens)
    return replace(machine, spent=spent, rates={**machine.rates, event.tier: rate})


def _ledger(machine: Machine) -> Ledger:
    tries = machine.tries
    return Ledger(deeds=machine.deeds, last_failed=tries.last_failed)
