"""What comes back from a worker: exactly one value of the agreed form, one failure, or one question to a person.

Invariant: nothing but *done* comes back as a result; every other end is a failure that says what would help.
"""

from typing import Any, assert_never

from msgspec.structs import replace

from nebulus.core.digest import canonical
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.outcome import Blocked, Done, Exhausted, Failed, Outcome, Question, Refused
from nebulus.core.result import WRAPPED, ResultSpec
from nebulus.core.text import bounded
from nebulus.delegation.contract import is_wrapped

_SHOWN_CHARS = 400


def handed_back(name: str, outcome: Outcome, *, spec: ResultSpec | None) -> Any | Failure | Question:
    """Return what the worker `name` hands back: an object with its answer, a failure, or the question it waits for.

    `spec` is the answer that the contract asks for.
    """
    match outcome:
        case Done(result=None):
            return {"done": outcome.summary}
        case Done(result=result) if result is not None and result.is_failure:
            return _failure(
                FailureKind.PERMANENT,
                f"the worker {name} says that it can't be done",
                value=bounded(canonical(result.value).decode(), _SHOWN_CHARS),
                fix="ask for something else, or do it in another way",
            )
        case Done(result=result):
            assert result is not None
            return {WRAPPED: result.value} if is_wrapped(spec) else result.value
        case Blocked(question=question):
            return question
        case Refused(rule=rule, reason=reason):
            return _failure(
                FailureKind.POLICY_REFUSAL,
                f"the worker {name} may not do what this needs: {reason}",
                value=rule,
                fix="do it without that, or in another way",
            )
        case Exhausted(resource=resource, limit=limit):
            return _failure(
                FailureKind.EXHAUSTED_BUDGET,
                f"the worker {name} has used up its {resource}",
                value=f"{limit:g}",
                fix="hand over less at once",
            )
        case Failed(failure=failure):
            return replace(
                failure, fault=Fault.TOOL, what=f"the worker {name} failed: {failure.what}", evidence=()
            )
        case _:
            assert_never(outcome)


def _failure(kind: FailureKind, what: str, *, value: str, fix: str) -> Failure:
    return Failure(kind=kind, fault=Fault.CONTRACT, what=what, value=value, fix=fix)
