"""No chain of hand-overs, of any length, gives anybody more than the first run had."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.authority import MOST_LINKS, Authority, HandOver, left_of
from nebulus.core.budget import Budget, Spent
from nebulus.core.failure import Failure
from nebulus.delegation.contract import Contract, WorkerSpec, contract, narrowed

NAMES = st.sampled_from(["read", "write", "delete", "send", "hire"])
PARTS = st.sampled_from(["a", "b", "a/b", "a/b/c", "ab", ".", "b/a"])
LIMITS = st.integers(0, 5)
BUDGETS = st.builds(
    Budget,
    model_calls=LIMITS,
    tool_calls=LIMITS,
    tokens=LIMITS,
    seconds=LIMITS.map(float),
    usd=LIMITS.map(float),
    steps=LIMITS,
    bytes_out=LIMITS,
    calls=st.dictionaries(NAMES, LIMITS, max_size=3),
)
AUTHORITIES = st.builds(
    Authority,
    tools=st.lists(NAMES, unique=True).map(sorted).map(tuple),
    paths=st.lists(PARTS, max_size=3).map(tuple),
    budget=BUDGETS,
)
PATHS = ["a", "a/x", "a/b", "a/b/c", "a/b/c/d", "ab", "abc", "b", "b/a", "b/a/x", "c", "."]


def is_within(inner: Authority, outer: Authority) -> bool:
    """Whether `inner` gives nothing that `outer` does not give."""
    limited = [name for name in Budget.__struct_fields__ if name != "calls" and getattr(outer.budget, name)]
    return (
        set(inner.tools) <= set(outer.tools)
        and all(outer.covers(path) for path in PATHS if inner.covers(path))
        and all(0 < getattr(inner.budget, name) <= getattr(outer.budget, name) for name in limited)
        and all(inner.budget.calls[tool] <= limit for tool, limit in outer.budget.calls.items())
    )


@given(AUTHORITIES, st.lists(AUTHORITIES, max_size=5))
def test_no_chain_widens_anything(first: Authority, wanted: list[Authority]) -> None:
    at = first
    for one in wanted:
        after = narrowed(at, one)
        assert is_within(after, at)
        assert is_within(after, first)
        at = after


@given(AUTHORITIES, AUTHORITIES)
def test_a_worker_has_no_more_than_its_contract_asks_for(given_one: Authority, wanted: Authority) -> None:
    got = narrowed(given_one, wanted)
    assert set(got.tools) <= set(wanted.tools)
    assert all(wanted.covers(path) for path in PATHS if got.covers(path))


def hired(given_one: Authority, *, spent: Spent | None = None) -> Contract | Failure:
    budget = left_of(given_one.budget, spent or Spent())
    left = Authority(tools=given_one.tools, paths=given_one.paths, budget=budget, chain=given_one.chain)
    spec = WorkerSpec(name="w", description="w", goal="Work.", tools=("read", "write"), paths=("a",))
    return contract(spec, {"x": 1}, HandOver(authority=left), key="key")


@given(AUTHORITIES, st.integers(0, 6), st.integers(0, 6))
def test_what_is_spent_is_not_handed_on(authority: Authority, calls: int, tokens: int) -> None:
    agreed = hired(authority, spent=Spent(model_calls=calls, prompt_tokens=tokens))
    limit, most = authority.budget.model_calls, authority.budget.tokens
    if (limit and calls >= limit) or (most and tokens >= most):
        assert isinstance(agreed, Failure)
    elif isinstance(agreed, Contract):
        given_on = agreed.authority.budget
        assert not limit or 0 < given_on.model_calls <= limit - calls
        assert not most or 0 < given_on.tokens <= most - tokens


def test_a_chain_of_workers_ends() -> None:
    at = Authority(tools=("read",), chain=("first",))
    for _ in range(MOST_LINKS - 1):
        agreed = hired(at)
        assert isinstance(agreed, Contract)
        at = agreed.authority
    assert isinstance(hired(at), Failure)


def test_the_same_call_is_the_same_run_and_another_call_is_another() -> None:
    authority = Authority(tools=("read",), chain=("first",))
    spec = WorkerSpec(name="w", description="w", goal="Work.")
    one, again, other = (
        contract(spec, {}, HandOver(authority=authority), key=key) for key in ("a", "a", "b")
    )
    assert isinstance(one, Contract)
    assert isinstance(again, Contract)
    assert isinstance(other, Contract)
    assert one.run_id == again.run_id != other.run_id
