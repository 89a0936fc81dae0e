"""A rule means what it says, and one that can't be meant prevents the start and is reported with its line."""

import pytest

from nebulus.core.context import Context, RunUsage
from nebulus.core.errors import ConfigError
from nebulus.core.findings import Call
from nebulus.core.verdict import Allow, Ask, Refuse
from nebulus.guard.usage import usage_with
from tests.unit.guard import scenes as sc


def test_what_no_rule_allows_is_refused() -> None:
    verdict = sc.judged(sc.policy(""), "read_file", path="a")
    assert verdict == Refuse("default.deny", "no rule allows read_file (read)")


def test_deny_takes_precedence_over_ask_and_ask_over_allow_and_each_is_named() -> None:
    decider = sc.policy(
        sc.ALLOW_ALL
        + """
[[policy]]
name = "ask-first"
tool = "delete_file"
then = "ask"
reason = "it can't be undone"

[[policy]]
name = "keep-secrets"
path = "secrets/**"
then = "deny"
reason = "secrets stay"
"""
    )
    assert sc.judged(decider, "read_file", path="a") == Allow("all")
    assert sc.judged(decider, "delete_file", path="a") == Ask("ask-first", "it can't be undone")
    assert sc.judged(decider, "delete_file", path="secrets/a") == Refuse("keep-secrets", "secrets stay")
    assert isinstance(sc.judged(decider, "list_files"), Refuse), "the root holds secrets"


def test_a_rule_without_a_name_is_named_by_its_line() -> None:
    decider = sc.policy('\n\n[[policy]]\neffect = "read"\nthen = "allow"\n')
    assert sc.judged(decider, "read_file", path="a") == Allow("policy.toml:3")


def test_a_rule_that_allows_a_path_must_match_every_path_of_the_call() -> None:
    decider = sc.policy('[[policy]]\ntool = "move_file"\npath = "docs/**"\nthen = "allow"')
    assert isinstance(sc.judged(decider, "move_file", source="docs/a", target="docs/b"), Allow)
    assert isinstance(sc.judged(decider, "move_file", source="docs/a", target="b"), Refuse)


def test_an_amount_is_never_seen_as_smaller_than_it_is() -> None:
    decider = sc.policy('[[policy]]\ntool = "pay"\nargument = "amount"\nat_most = 50\nthen = "allow"')
    for amount, allowed in ((50, True), (50.0, True), (50.00001, False), (51, False), (1e300, False)):
        verdict = sc.judged(decider, "pay", to="b", amount=amount, currency="EUR")
        assert isinstance(verdict, Allow) is allowed, amount


@pytest.mark.parametrize("amount", ["5", True, None, [5], float("nan"), float("inf"), 10**40])
def test_a_value_that_is_not_of_its_type_is_refused_and_never_skipped(amount: object) -> None:
    decider = sc.policy(
        sc.ALLOW_ALL
        + '[[policy]]\ntool = "pay"\nargument = "amount"\nabove = 50\nthen = "deny"\nreason = "too much"'
    )
    assert isinstance(sc.judged(decider, "pay", to="b", amount=amount, currency="EUR"), Refuse)


def test_an_undeclared_argument_is_refused() -> None:
    assert isinstance(sc.judged(sc.policy(sc.ALLOW_ALL), "read_file", path="a", extra=1), Refuse)


def test_small_payments_do_not_add_up_to_a_large_one() -> None:
    decider = sc.policy(
        sc.ALLOW_ALL
        + '[[policy]]\ntool = "pay"\nargument = "amount"\ntotal_above = 100\nthen = "deny"\nreason = "enough"'
    )
    usage, paid = RunUsage(), 0
    for _ in range(5):
        call = Call("pay", {"to": "b", "amount": 30, "currency": "EUR"})
        if isinstance(decider.judge(call, sc.PAY, Context(usage=usage)), Allow):
            paid += 30
            usage = usage_with(usage, call, sc.PAY, labels=())
    assert paid == 90
    back = Call("pay", {"to": "b", "amount": -1000, "currency": "EUR"})
    usage = usage_with(usage, back, sc.PAY, labels=())
    more = Call("pay", {"to": "b", "amount": 30, "currency": "EUR"})
    assert isinstance(decider.judge(more, sc.PAY, Context(usage=usage)), Refuse)


def test_forty_reads_and_then_one_mail_is_one_forbidden_act() -> None:
    decider = sc.policy(
        sc.ALLOW_ALL
        + '[[policy]]\neffect = "egress"\nafter = "read"\ntimes = 40\nthen = "deny"\nreason = "too much read"'
    )
    usage = RunUsage()
    for index in range(40):
        assert isinstance(sc.judged(decider, "fetch", Context(usage=usage), url="a.com"), Allow)
        call = Call("read_file", {"path": f"{index}.txt"})
        usage = usage_with(usage, call, sc.READ, labels=())
    assert isinstance(sc.judged(decider, "fetch", Context(usage=usage), url="a.com"), Refuse)


def test_a_rate_counts_a_window_of_calls() -> None:
    decider = sc.policy(
        sc.ALLOW_ALL
        + '[[policy]]\ntool = "fetch"\nafter = "fetch"\ntimes = 2\nwithin = 4\nthen = "deny"\nreason = "slower"'
    )
    busy = RunUsage(recent=("fetch", "read_file", "fetch", "read_file"))
    calm = RunUsage(recent=("fetch", "fetch", "read_file", "read_file", "read_file"))
    assert isinstance(sc.judged(decider, "fetch", Context(usage=busy), url="a.com"), Refuse)
    assert isinstance(sc.judged(decider, "fetch", Context(usage=calm), url="a.com"), Allow)


def test_what_was_read_before_decides_what_may_be_sent() -> None:
    decider = sc.policy(
        sc.ALLOW_ALL
        + '[[policy]]\neffect = "egress"\nafter = "read_file"\nafter_path = "hr/**"\nthen = "deny"\nreason = "hr"'
    )
    usage = RunUsage(touched=(("read_file", "hr/pay.csv"),))
    assert isinstance(sc.judged(decider, "fetch", Context(usage=usage), url="a.com"), Refuse)
    assert isinstance(sc.judged(decider, "fetch", url="a.com"), Allow)


def test_bytes_that_leave_are_counted_with_the_call_itself() -> None:
    decider = sc.policy(
        sc.ALLOW_ALL
        + '[[policy]]\neffect = "egress"\nbytes_out_above = 100\nthen = "deny"\nreason = "enough left"'
    )
    assert isinstance(sc.judged(decider, "fetch", url="a.com"), Allow)
    assert isinstance(sc.judged(decider, "fetch", url="a.com/" + "x" * 100), Refuse)


def test_who_is_an_agent_or_a_tier() -> None:
    decider = sc.policy('[[policy]]\ntool = "read_file"\nwho = "large"\nthen = "allow"')
    assert isinstance(sc.judged(decider, "read_file", Context(tier="large"), path="a"), Allow)
    assert isinstance(sc.judged(decider, "read_file", Context(tier="small"), path="a"), Refuse)


def test_an_unknown_host_restricts_and_never_allows() -> None:
    decider = sc.policy('[[policy]]\ntool = "fetch"\nhost = "*"\nthen = "allow"')
    assert isinstance(sc.judged(decider, "fetch", url="https://a.com"), Allow)
    assert isinstance(sc.judged(decider, "fetch", url="https://a.com\\b"), Refuse)


def test_policies_written_in_cedar_belong_to_the_same_set() -> None:
    cedar = """
// not by mail
@id("no-secret-mail") @reason("not by mail")
forbid(principal, action == Action::"send_mail", resource)
when { context.arguments.body like "*secret*" };

@id("slowly")
forbid(principal, action in Action::"effect:egress", resource)
when { context.count.effects.egress >= 2 };
"""
    decider = sc.policy(sc.ALLOW_ALL, cedar)
    many = Context(usage=RunUsage(by_effect={"egress": 2}))
    assert isinstance(sc.judged(decider, "fetch", many, url="a.com"), Refuse), "groups of actions hold"
    verdict = sc.judged(decider, "send_mail", to=["a@b.com"], body="a secret")
    assert verdict == Refuse("no-secret-mail", "not by mail")
    assert isinstance(sc.judged(decider, "send_mail", to=["a@b.com"], body="hello"), Allow)


def test_a_policy_that_errs_while_deciding_is_a_refusal_and_not_skipped() -> None:
    cedar = """
@id("overflows")
forbid(principal, action == Action::"fetch", resource) when { context.count.calls + 9223372036854775807 > 0 };
"""
    decider = sc.policy(sc.ALLOW_ALL, cedar)
    many = Context(usage=RunUsage(calls=1))
    verdict = sc.judged(decider, "fetch", many, url="a.com")
    assert isinstance(verdict, Refuse)
    assert verdict.rule == "guard.unclear"


def test_no_tool_changes_the_policy_not_even_with_a_yes() -> None:
    decider = sc.policy(sc.ALLOW_ALL, protected=("policy.toml", "policy.toml/**", ".nebulus", ".nebulus/**"))
    for tool, arguments in (
        ("write_file", {"path": "policy.toml", "content": ""}),
        ("delete_file", {"path": ".nebulus"}),
        ("delete_file", {"path": "."}),
        ("move_file", {"source": ".nebulus/runs.sqlite", "target": "a"}),
        ("move_file", {"source": "a", "target": "policy.toml"}),
    ):
        verdict = sc.judged(decider, tool, **arguments)
        assert isinstance(verdict, Refuse), tool
        assert verdict.rule == "guard.protected"
    assert isinstance(sc.judged(decider, "read_file", path="policy.toml"), Allow)


WRONG = {
    "no tool is called 'red_file'; did you mean 'read_file'": 'tool = "red_file"\nthen = "allow"',
    "is not a condition of a rule; did you mean 'effect'": 'efect = "read"\nthen = "allow"',
    "Invalid enum value": 'effect = "reading"\nthen = "allow"',
    "missing required field `then`": 'effect = "read"',
    "needs a reason": 'effect = "read"\nthen = "deny"',
    "has no argument 'amuont'; did you mean 'amount'": 'tool = "pay"\nargument = "amuont"\nat_most = 3\nthen = "allow"',
    "is not a number": 'tool = "pay"\nargument = "to"\nat_most = 3\nthen = "allow"',
    "it is one of": 'tool = "pay"\nargument = "currency"\nequals = "GBP"\nthen = "allow"',
    "none of its tools takes a path": 'tool = "pay"\npath = "a"\nthen = "allow"',
    "none of its tools says which argument is a host": 'tool = "pay"\nhost = "a.com"\nthen = "allow"',
    "paths are canonical": 'tool = "read_file"\npath = "a/../b"\nthen = "allow"',
    "a host is written in lower case": 'tool = "fetch"\nhost = "https://a.com"\nthen = "allow"',
    "no agent or tier is called 'medium'": 'tool = "fetch"\nwho = "medium"\nthen = "allow"',
    "is neither a tool nor an effect": 'tool = "fetch"\nafter = "reed"\nthen = "allow"',
    "can't happen within": 'tool = "fetch"\nafter = "read"\ntimes = 9\nwithin = 3\nthen = "allow"',
    "need an argument to compare": 'tool = "pay"\nabove = 3\nthen = "allow"',
    "name it with after": 'tool = "pay"\ntimes = 3\nthen = "allow"',
}


@pytest.mark.parametrize("complaint", WRONG)
def test_a_rule_that_cant_be_meant_prevents_the_start_with_line_and_fix(complaint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        sc.policy(f"\n# a rule\n[[policy]]\n{WRONG[complaint]}\n")
    assert complaint in str(raised.value)
    assert str(raised.value).startswith("policy.toml:3")


def test_a_rule_that_another_always_overrides_prevents_the_start() -> None:
    text = '[[policy]]\neffect = "egress"\nthen = "deny"\nreason = "no"\n[[policy]]\ntool = "fetch"\nthen = "allow"'
    with pytest.raises(ConfigError, match=r"policy\.toml:5: this can never decide"):
        sc.policy(text)


@pytest.mark.parametrize(
    ("cedar", "complaint"),
    [
        ('permit(principal, action == Action::"reed_file", resource);', "unrecognized action"),
        (
            '\npermit(principal, action == Action::"pay", resource) when { context.arguments.amuont == decimal("1.0") };',
            "amuont",
        ),
        (
            'permit(principal, action == Action::"pay", resource) when { context.arguments.amount > 3 };',
            "expected",
        ),
        ('permit(principal, action == Action::"pay" resource);', "not a Cedar policy"),
        ('permit(principal, action == Action::"pay", resource) when { false };', "can never match"),
        (
            'permit(principal, action == Action::"pay", resource) when { context.tier == "a" && context.tier == "b" };',
            "can never match",
        ),
        (
            'permit(principal, action == Action::"pay", resource) when { context has nothing };',
            "can never match",
        ),
        ("permit(principal == ?principal, action, resource);", "without ?principal"),
        (
            '@id("x") permit(principal, action, resource);\n@id("x") permit(principal, action, resource);',
            "is taken",
        ),
        ("permit(principal, action, resource)", "not a Cedar policy"),
    ],
)
def test_a_wrong_policy_in_cedar_prevents_the_start_with_its_place(cedar: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=r"extra0\.cedar:[12]: ") as raised:
        sc.policy(sc.ALLOW_ALL, cedar)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    "text", ["[[policy]", "policy = 3", "[policy]\nthen='allow'", "polcy = []", "cedar = 3"]
)
def test_a_malformed_file_never_means_no_policy(text: str) -> None:
    with pytest.raises(ConfigError, match=r"policy\.toml"):
        sc.policy(text)


def test_the_digest_covers_the_rules_and_the_tools_they_apply_to() -> None:
    assert sc.policy(sc.ALLOW_ALL).digest == sc.policy(sc.ALLOW_ALL).digest
    assert sc.policy(sc.ALLOW_ALL).digest != sc.policy("").digest
    assert sc.policy(sc.ALLOW_ALL).digest != sc.policy(sc.ALLOW_ALL, protected=("a",)).digest
    flow = sc.ALLOW_ALL + '[flow]\nunplanned = "ask"\n'
    assert sc.policy(sc.ALLOW_ALL).digest != sc.policy(flow).digest
