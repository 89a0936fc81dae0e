"""Which earlier result a reference means, and where its whole text is.

Invariants: only what a tool returned is found, never an error, a loss or what a model said; what can't be found is
answered with what there is.
"""

from collections.abc import Collection, Sequence

from nebulus.core.history import CallRecord
from nebulus.core.references import LAST, EarlierResult, Reference
from nebulus.core.state import Observation, State

LISTED = 12
"""How many calls are listed in a complaint, the latest ones."""


def find_result(
    state: State,
    calls: Sequence[CallRecord],
    reference: Reference | None,
    *,
    step: int,
    receipts: Collection[str] = (),
) -> EarlierResult | str:
    """Return the result that `reference` means in step `step`, or why there is none; None names nothing.

    `calls` are all calls of the run, in order. `receipts` names the tools that say only what they did with a text that
    they were given: the last result is one of another tool, if there is one.
    """
    own = [record for record in calls if record.step == step]
    if reference is None:
        return f"there is no such result; {_calls_made(own)}"
    match reference.kind:
        case "call":
            if not 0 < reference.number <= len(own):
                return f"there is no {reference.source}; {_calls_made(own)}"
            record = own[reference.number - 1]
        case "step":
            of_step = [record for record in calls if record.step == reference.number]
            if reference.number == step or not of_step:
                return f"there is no result of {reference.source}; {_steps_with_results(state, calls, step)}"
            record = next((made for made in reversed(of_step) if _is_result(made)), of_step[-1])
        case "last":
            last = _last(own, receipts)
            if last is None:
                return f"there is no last result; {_calls_made(own)}"
            record, reference = last, Reference("call", own.index(last) + 1, reference.path)
    return _text_of(state, calls, record, reference=reference)


def _last(own: Sequence[CallRecord], receipts: Collection[str]) -> CallRecord | None:
    results = [record for record in own if _is_result(record)]
    texts = [record for record in results if record.tool not in receipts]
    return next(reversed(texts or results), None)


def _text_of(
    state: State, calls: Sequence[CallRecord], record: CallRecord, *, reference: Reference
) -> EarlierResult | str:
    """Where the text that `record` returned is; or why it has none."""
    name = f"{reference.source} ({record.tool})"
    if record.is_error:
        return f"{name} failed, so it has no result"
    if record.is_lost:
        return f"the result of {name} was lost"
    for item in state.artifacts:
        if item.call_id == record.call_id:
            return EarlierResult(
                reference.source, address=item.content, path=reference.path, provenance=item.provenance
            )
    seen = _observed(state, calls, record)
    if seen is None:
        return f"the result of {name} is not kept any more"
    if not seen.text:
        return f"{name} returned nothing"
    return EarlierResult(reference.source, text=seen.text, path=reference.path, provenance=seen.provenance)


def _observed(state: State, calls: Sequence[CallRecord], record: CallRecord) -> Observation | None:
    """What was kept of a call: observations are kept in the order of the calls, the last ones of each step."""
    own = [made for made in calls if made.step == record.step]
    seen = [item for item in state.observations if item.step == record.step]
    back = len(own) - own.index(record)
    return seen[-back] if back <= len(seen) else None


def _is_result(record: CallRecord) -> bool:
    return not record.is_error and not record.is_lost


def _calls_made(own: Sequence[CallRecord]) -> str:
    if not own:
        return "no call was made yet"
    listed = ", ".join(
        f"{number} {record.tool}{' (failed)' if record.is_error else ''}"
        for number, record in list(enumerate(own, start=1))[-LISTED:]
    )
    what = "call 1 was made" if len(own) == 1 else f"calls 1 to {len(own)} were made"
    return f"{what}: {listed}"


def _steps_with_results(state: State, calls: Sequence[CallRecord], step: int) -> str:
    known = sorted({record.step for record in calls if _is_result(record) and record.step != step})
    if known:
        return f"there are results of step {', '.join(map(str, known[-LISTED:]))}"
    return _calls_made([record for record in calls if record.step == step])


def last_or(reference: Reference, found: EarlierResult) -> Reference:
    """Return `reference` with the name of the result that was found: "last" means another one later."""
    if reference.kind != LAST:
        return reference
    return Reference("call", int(found.source.removeprefix("call ")), reference.path)
