"""A policy about some tools also serves where only others are offered, and never allows more there."""

from nebulus.adapters.policies.files import parse_rules
from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.offered import PLACEHOLDERS, rules_for, tools_named

TEXT = """
[[policy]]
name = "reads"
effect = "read"
then = "allow"

[[policy]]
name = "either"
tool = ["write", "delete"]
then = "deny"
reason = "no changes"

[[policy]]
name = "counted"
effect = "egress"
after = "fetch"
then = "deny"
reason = "it fetched"

[[policy]]
name = "amounts"
effect = "irreversible"
argument = "amount"
above = 100
then = "deny"
reason = "too much"
"""
FILE = parse_rules(TEXT, source="policy.toml")
WRITE = ToolSpec(name="write", effect=Effect.WRITE)
PAY = ToolSpec(
    name="pay",
    effect=Effect.IRREVERSIBLE,
    parameters={"type": "object", "properties": {"amount": {"type": "number"}}},
)


def names(*specs: ToolSpec) -> list[str]:
    return [rule.name for rule in rules_for(FILE, (*specs, *PLACEHOLDERS)).rules]


def test_a_rule_about_tools_that_are_not_offered_is_left_out() -> None:
    assert names() == ["reads"]


def test_a_rule_keeps_the_tools_that_are_offered() -> None:
    kept = rules_for(FILE, (WRITE, *PLACEHOLDERS)).rules
    assert [(rule.name, rule.tools) for rule in kept] == [("reads", ()), ("either", ("write",))]


def test_a_rule_about_an_argument_needs_a_tool_that_has_it() -> None:
    assert names(PAY) == ["reads", "amounts"]


def test_the_tools_that_rules_name_are_those_that_must_be_declared() -> None:
    assert tools_named(FILE) == ("write", "delete", "fetch")
