"""Mentions of earlier results in a step's text ("the result of step 3"), resolved by code.

Laws: only what a tool returned is put in, character for character; a mention that names nothing known
stays as it is, for the model to read beside the facts.
"""

import re
from collections.abc import Iterable

from nebulus.core.state import Fact

INLINE_CHARS = 200
"""Longest value that is written into a step's text; a longer one stands among the facts instead."""

_WORD = r"(?P<{0}>[A-Za-z_][A-Za-z0-9_]*)"
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\{\{\s*step\s+(?P<step>\d+)(?:[.\s]\s*" + _WORD.format("field") + r")?\s*\}\}",
        r"\b(?:the\s+)?" + _WORD.format("field") + r"\s+(?:of|from|in)\s+step\s+(?P<step>\d+)(?![\d])",
        r"\b(?:the\s+)?step\s+(?P<step>\d+)'s\s+" + _WORD.format("field") + r"\b",
        r"\bwhat\s+step\s+(?P<step>\d+)\s+(?P<field>returned|gave|found)\b",
    )
)
GENERIC_FIELDS = frozenset({"", "result", "output", "answer", "value", "returned", "gave", "found"})
"""Words that mean the whole result of a step and not one field of it."""

QUESTION = "question"
ANSWER = "answer"
"""Under these names stand what a model asked in a step, and what the user answered."""


def fact_name(step: int, field: str = "") -> str:
    """Return the name under which a result of `step` is remembered."""
    return f"step {step} {field}".strip()


def mentioned_steps(text: str) -> frozenset[int]:
    """Return the numbers of the steps whose results `text` mentions."""
    return frozenset(step for step, _ in mentioned_fields(text))


def mentioned_fields(text: str) -> frozenset[tuple[int, str]]:
    """Return the steps whose results `text` mentions, each with the field's name in lower case."""
    return frozenset(
        (int(match["step"]), (match["field"] or "").lower())
        for pattern in _PATTERNS
        for match in pattern.finditer(text)
    )


def resolve(text: str, facts: Iterable[Fact]) -> str:
    """Return `text` with each mention of a known, short, one-line result replaced by its value."""
    wanted = mentioned_steps(text)
    if not wanted:
        return text
    known = tuple(fact for fact in facts if fact.step in wanted)

    def replacement(match: re.Match[str]) -> str:
        value = _lookup(known, int(match["step"]), (match["field"] or "").lower())
        is_inline = bool(value) and len(value) <= INLINE_CHARS and "\n" not in value
        return value if is_inline else match[0]

    for pattern in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def referenced(text: str, facts: Iterable[Fact]) -> frozenset[str]:
    """Return the values that `resolve` puts into `text`."""
    known = tuple(facts)
    spelled = {f"{{{{step {step} {field}}}}}": field for step, field in mentioned_fields(text)}
    return frozenset(resolve(mention, known) for mention in spelled) - frozenset(spelled)


def is_note(fact: Fact) -> bool:
    """Whether `fact` is what a model said and no code has seen: it has no other origin."""
    return bool(fact.provenance.origins) and all(origin.kind == "model" for origin in fact.provenance.origins)


def _lookup(facts: tuple[Fact, ...], step: int, field: str) -> str:
    """Return the value that `field` of `step` means: by name, or the step's only fact for a generic word."""
    of_step = [fact for fact in facts if fact.step == step and not is_note(fact)]
    by_name = {fact.name: fact.value for fact in of_step}
    if fact_name(step, field) in by_name:
        return by_name[fact_name(step, field)]
    if field not in GENERIC_FIELDS:
        return ""
    return by_name.get(fact_name(step), of_step[0].value if len(of_step) == 1 else "")
