"""What every policy promises: deny is the default, each verdict names its rule, and nothing is left to chance."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.context import Context
from nebulus.core.findings import Call
from nebulus.core.tools import Effect, ToolSpec
from nebulus.core.verdict import Allow, Ask, Refuse
from nebulus.guard.defaults import DefaultPolicy
from nebulus.ports.guard import Policy
from nebulus.testing.policies import ScriptedPolicy
from tests.unit.guard import scenes as sc

POLICIES: dict[str, Policy] = {
    "default": DefaultPolicy(),
    "cedar": sc.policy(sc.ALLOW_ALL),
    "cedar, empty": sc.policy(""),
    "scripted": ScriptedPolicy({"pay": Ask("script", "because")}),
}
EVERY = pytest.mark.parametrize("name", POLICIES)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@EVERY
@given(data=st.data())
def test_whatever_is_proposed_there_is_a_verdict_that_names_a_rule(name: str, data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from(sc.SPECS))
    arguments: dict[str, Any] = data.draw(
        st.dictionaries(st.sampled_from(["path", "to", "amount", "url", "x"]), JSON)
    )
    context = Context(is_tainted=data.draw(st.booleans()), is_planned=data.draw(st.booleans()))
    verdict = POLICIES[name].judge(Call(spec.name, arguments), spec, context)
    assert isinstance(verdict, Allow | Ask | Refuse)
    assert verdict.rule
    assert verdict == POLICIES[name].judge(Call(spec.name, arguments), spec, context)


@EVERY
def test_a_call_of_another_tool_than_was_judged_is_refused(name: str) -> None:
    verdict = POLICIES[name].judge(Call("delete_file", {"path": "a"}), sc.READ, Context())
    assert isinstance(verdict, Refuse)


@EVERY
def test_a_policy_has_a_name_that_stays(name: str) -> None:
    assert POLICIES[name].digest
    assert POLICIES[name].digest == POLICIES[name].digest


def test_a_tool_that_the_policy_was_not_checked_against_is_refused() -> None:
    changed = ToolSpec(name="read_file", parameters=sc.READ.parameters, effect=Effect.READ)
    verdict = POLICIES["cedar"].judge(Call("read_file", {"path": "a"}), changed, Context())
    assert isinstance(verdict, Refuse)
