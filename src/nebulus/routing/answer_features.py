"""A parsed answer as numbers, for the weights in `answer_weights`."""

import math

from nebulus.core.demand import Demand
from nebulus.core.findings import CallEvidence, FindingKind
from nebulus.routing.evidence import AnswerEvidence

_MISREAD = frozenset(
    {FindingKind.UNREADABLE, FindingKind.TRUNCATED, FindingKind.AMBIGUOUS, FindingKind.EMPTY}
)


def call_features(evidence: AnswerEvidence, demand: Demand) -> dict[str, float]:
    """Return what an answer with calls shows, each number named. Counts are taken as log(1 + n)."""
    values, tools, log = evidence.values, demand.tools, math.log1p
    return {
        "always": 1.0,
        "calls": log(evidence.calls),
        "one call of several parts": float(evidence.calls == 1) * log(demand.calls - 1),
        "repeated call": float(evidence.repeated > 0),
        "whole answer": float(evidence.certainty >= CallEvidence.WHOLE),
        "edits": log(evidence.edits),
        "tool name in text": evidence.name_match,
        "text explained": evidence.text_match,
        "other tool fits better": float(evidence.is_other_better),
        "share found": values.found / values.given if values.given else 0.5,
        "required not found": log(values.required_unfound),
        "optional given": log(values.optional_given),
        "optional not found": log(values.optional_unfound),
        "optional left out": log(values.optional_left),
        "empty": log(values.empty),
        "numbers unused": log(values.numbers_unused),
        "words unused": log(values.words_unused),
        "optional arguments": log(tools.optional_arguments),
        "list": float(tools.has_list),
        "code": float(demand.language == "code"),
        "facts": log(demand.values.facts),
    }


def word_features(evidence: AnswerEvidence, demand: Demand) -> dict[str, float]:
    """Return what an answer without a usable call shows, each number named."""
    tools = demand.tools
    return {
        "always": 1.0,
        "unconfirmed": float(evidence.finding is FindingKind.UNCONFIRMED),
        "invalid arguments": float(evidence.finding is FindingKind.INVALID_ARGUMENTS),
        "unknown tool": float(evidence.finding is FindingKind.UNKNOWN_TOOL),
        "misread": float(evidence.finding in _MISREAD),
        "tool name in text": tools.name_match,
        "text explained": tools.text_match,
    }
