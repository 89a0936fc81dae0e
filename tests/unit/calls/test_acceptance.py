"""How much evidence a call needs, by what a mistake would cost."""

import pytest

from nebulus.calls.acceptance import by_effect, needed_for
from nebulus.core.findings import CallEvidence
from nebulus.core.tools import Effect, ToolSpec


@pytest.mark.parametrize("effect", [Effect.IRREVERSIBLE, Effect.EGRESS])
def test_what_cannot_be_undone_and_what_leaves_needs_an_answer_that_is_nothing_but_the_call(
    effect: Effect,
) -> None:
    assert by_effect(ToolSpec(name="t", effect=effect)) is CallEvidence.WHOLE


def test_a_level_applies_to_every_tool_and_a_rule_to_each_by_itself() -> None:
    tool = ToolSpec(name="t", effect=Effect.READ)
    assert needed_for(CallEvidence.WHOLE, tool) is CallEvidence.WHOLE
    assert needed_for(by_effect, tool) is by_effect(tool)
