"""Without a policy: inside is allowed, what can't be undone asks, the rest is refused."""

import pytest

from nebulus import tool
from nebulus.core.context import Context, Label
from nebulus.core.findings import Call
from nebulus.core.provenance import Origin, Provenance
from nebulus.core.tools import Effect, ToolSpec
from nebulus.core.verdict import Allow, Ask, Refuse, Verdict
from nebulus.guard.defaults import ConversationPolicy, DefaultPolicy

POLICY = DefaultPolicy()


@pytest.mark.parametrize(
    ("effect", "verdict"),
    [(Effect.READ, Allow), (Effect.WRITE, Allow), (Effect.IRREVERSIBLE, Ask), (Effect.EGRESS, Refuse)],
)
def test_the_effect_decides_and_the_rule_is_named(effect: Effect, verdict: type) -> None:
    judged = POLICY.judge(Call("t"), ToolSpec(name="t", effect=effect))
    assert isinstance(judged, verdict)
    assert judged.rule.startswith("default.")


def test_a_tool_that_declares_no_effect_is_asked_about_with_what_to_declare() -> None:
    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    judged = POLICY.judge(Call("weather", {"city": "Oslo"}), weather.spec)
    assert isinstance(judged, Ask)
    assert '@tool(effect="read")' in judged.reason


def test_every_effect_has_a_rule() -> None:
    for effect in Effect:
        assert POLICY.judge(Call("t"), ToolSpec(name="t", effect=effect)).rule != "default.deny"


def test_a_call_is_judged_by_its_own_tool_only() -> None:
    assert isinstance(POLICY.judge(Call("rm"), ToolSpec(name="ls", effect=Effect.READ)), Refuse)


def test_the_digest_names_the_table() -> None:
    assert DefaultPolicy().digest == POLICY.digest


def test_in_a_conversation_a_change_is_asked_about_and_reading_is_not() -> None:
    policy = ConversationPolicy()
    assert isinstance(policy.judge(Call("t"), ToolSpec(name="t", effect=Effect.WRITE)), Ask)
    assert isinstance(policy.judge(Call("t"), ToolSpec(name="t", effect=Effect.READ)), Allow)
    assert policy.digest != POLICY.digest


def judged_after(*, is_tainted: bool, is_endorsed: bool, is_planned: bool = False) -> Verdict:
    """The verdict on a write into a file that the user named, or that only a document did."""
    label = Label(
        "path", Provenance((Origin("tool", "read_file"),)), is_endorsed=is_endorsed, value="payroll.csv"
    )
    content = Label(
        "content", Provenance((Origin("tool", "read_file"),)), is_endorsed=False, value="1,000,000"
    )
    context = Context(is_tainted=is_tainted, is_planned=is_planned, labels=(label, content))
    call = Call("write_file", {"path": "payroll.csv", "content": "1,000,000"})
    return POLICY.judge(call, ToolSpec(name="write_file", effect=Effect.WRITE, paths=("path",)), context)


@pytest.mark.parametrize("is_planned", [True, False])
def test_after_text_from_outside_a_person_allows_a_write_that_the_user_named_no_place_for(
    is_planned: bool,
) -> None:
    asked = judged_after(is_tainted=True, is_endorsed=False, is_planned=is_planned)
    assert isinstance(asked, Ask)
    assert "payroll.csv" in asked.reason


def test_a_write_where_the_user_said_asks_nobody_whatever_was_read() -> None:
    assert isinstance(judged_after(is_tainted=True, is_endorsed=True), Allow)
    assert isinstance(judged_after(is_tainted=False, is_endorsed=False), Allow)
