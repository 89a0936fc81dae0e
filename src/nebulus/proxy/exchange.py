"""One client's request on its way to an answer: which tier is asked next, with what, and when to stop.

Invariants: pure; every decision is the strategy table's (`recovery.strategy`), as in a run; each attempt changes
something; the machine has no tools here, so its moves are to wait, to ask again, to escalate, and to stop.
"""

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.answers import Form, FreeForm, Message, ModelAnswer, ModelRequest, OneCall, Shape
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.findings import Finding, FindingKind
from nebulus.core.limits import Limits
from nebulus.core.strategy import Escalate, GiveUp, WaitAndRetry
from nebulus.core.tiers import Tier
from nebulus.loop.ending import failure_of
from nebulus.loop.request import TEMPERATURES
from nebulus.proxy.asked import ClientRequest
from nebulus.proxy.checked import offered
from nebulus.proxy.reply import Account, Attempt
from nebulus.recovery.strategy import (
    RESTATED,
    History,
    Move,
    for_finding,
    for_model_failure,
    for_tool_failure,
)

LONGEST_WAIT_S = 20.0
"""A longer wait is the client's: it is told for how long."""
_WANTS_CALL = RESTATED | {FindingKind.UNREADABLE, FindingKind.NO_CALL}
"""Findings about an answer that was meant as a call: the next one must be a call."""


class Exchange(Struct, frozen=True, kw_only=True):
    """Where a request is: what was tried on the current tier, and what all of it took."""

    asked: ClientRequest
    tiers: tuple[Tier, ...]
    limits: Limits
    tier_index: int = 0
    findings: tuple[Finding, ...] = ()
    """What was wrong with the answers of this tier."""
    failures: tuple[FailureKind, ...] = ()
    """How requests to this tier failed."""
    said: str = ""
    """The words of the last answer, which was not used."""
    wait_s: float = 0.0
    """How long to wait before the next attempt."""
    account: Account = Account()

    @property
    def tier(self) -> Tier:
        """The tier that is asked now."""
        return self.tiers[self.tier_index]

    @property
    def _moves(self) -> frozenset[Move]:
        moves = {Move.WAIT, Move.ASK, Move.STOP}
        if self.tier_index + 1 < len(self.tiers):
            moves.add(Move.ESCALATE)
        return frozenset(moves)

    def noted(self, attempt: Attempt) -> "Exchange":
        """Return the exchange with one more attempt in its account."""
        account = replace(self.account, attempts=(*self.account.attempts, attempt))
        return replace(self, account=account)

    def with_note(self, note: str) -> "Exchange":
        """Return the exchange with a note in its account, if it is not there yet."""
        if not note or note in self.account.notes:
            return self
        return replace(self, account=replace(self.account, notes=(*self.account.notes, note)))


def begin(asked: ClientRequest, tiers: tuple[Tier, ...], limits: Limits) -> Exchange:
    """Return a new exchange; `tiers` are those that may be asked, in the order in which they are tried."""
    return Exchange(asked=asked, tiers=tiers, limits=limits, account=Account(notes=asked.notes))


def request_of(exchange: Exchange, *, max_tokens: int) -> ModelRequest:
    """Return the next request to the model."""
    asked, attempt = exchange.asked, len(exchange.findings) + len(exchange.failures)
    temperature = TEMPERATURES[min(attempt, len(TEMPERATURES) - 1)]
    if asked.temperature is not None:
        temperature = max(asked.temperature, temperature) if attempt else asked.temperature
    return ModelRequest(
        messages=(*asked.messages, *_lesson(exchange)),
        tools=offered(asked),
        form=_form(exchange),
        max_tokens=max_tokens,
        reasoning_tokens=exchange.tier.reasoning_tokens,
        temperature=temperature,
        seed=(asked.seed or 0) + attempt,
    )


def _lesson(exchange: Exchange) -> tuple[Message, ...]:
    """Return two turns that say what was wrong with the last answer: so the beginning of the prompt stays the same."""
    if not exchange.findings:
        return ()
    finding = exchange.findings[-1]
    said = exchange.said.strip() or f"({finding.tool or 'an answer'})"
    told = f"Your last answer was not used: {finding.lesson()}. Answer again."
    return Message("assistant", said), Message("user", told)


def _form(exchange: Exchange) -> Form:
    asked = exchange.asked
    names = {tool.name for tool in offered(asked)}
    if asked.is_bound and names:
        return OneCall(asked.choice.tool)
    last = exchange.findings[-1] if exchange.findings else None
    if last is not None and names and last.kind in _WANTS_CALL and (last.tool or asked.schema is None):
        return OneCall(last.tool if last.kind in RESTATED and last.tool in names else "")
    if asked.schema is not None and (not names or last is not None):
        return Shape(asked.schema)
    return FreeForm()


def after_finding(exchange: Exchange, finding: Finding, answer: ModelAnswer) -> Exchange | Failure:
    """Return the exchange with its next attempt prepared, or why there is none."""
    history = History(possible=exchange._moves)
    if finding.kind is FindingKind.REFUSED:
        return _after_refusal(exchange, finding, answer)
    strategy = for_finding(finding, before=exchange.findings, history=history, limits=exchange.limits)
    match strategy:
        case Escalate():
            return _escalated(exchange)
        case GiveUp():
            return failure_of(finding, attempts=len(exchange.account.attempts))
        case _:
            findings = (*exchange.findings, finding)
            return replace(exchange, findings=findings, said=answer.text, wait_s=0.0)


def _after_refusal(exchange: Exchange, finding: Finding, answer: ModelAnswer) -> Exchange | Failure:
    """Return the exchange with the model told once what is refused; a larger model would be refused the same."""
    failure = Failure(
        kind=FailureKind.POLICY_REFUSAL,
        fault=Fault.POLICY,
        what=finding.rule,
        fix="change the policy, or ask for something else",
        attempts=len(exchange.account.attempts),
    )
    before = sum(earlier.kind is FindingKind.REFUSED for earlier in exchange.findings)
    history = History(seen=before, total=before, possible=frozenset({Move.ASK, Move.STOP}))
    if isinstance(for_tool_failure(failure, history=history, limits=exchange.limits), GiveUp):
        return failure
    return replace(exchange, findings=(*exchange.findings, finding), said=answer.text, wait_s=0.0)


def after_failure(exchange: Exchange, failure: Failure) -> Exchange | Failure:
    """Return the exchange with its next attempt prepared, or the failure if nothing is left to try."""
    history = History(
        seen=exchange.failures.count(failure.kind), total=len(exchange.failures), possible=exchange._moves
    )
    strategy = for_model_failure(failure, history=history, limits=exchange.limits)
    failed = replace(exchange, failures=(*exchange.failures, failure.kind), wait_s=0.0)
    counted = replace(failure, attempts=len(exchange.account.attempts))
    match strategy:
        case Escalate():
            return _escalated(exchange)
        case GiveUp():
            return counted
        case WaitAndRetry(seconds=seconds):
            return counted if seconds > LONGEST_WAIT_S else replace(failed, wait_s=seconds)
        case _:
            return failed


def _escalated(exchange: Exchange) -> Exchange:
    return replace(
        exchange, tier_index=exchange.tier_index + 1, findings=(), failures=(), said="", wait_s=0.0
    )
