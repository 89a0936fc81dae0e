"""A client's request goes on only as the strategy table says, changes something each time, and ends in one failure."""

from msgspec.structs import replace

from nebulus.core.answers import FreeForm, Message, ModelAnswer, OneCall, Shape
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.findings import Finding, FindingKind
from nebulus.core.limits import Limits
from nebulus.core.tiers import Tier
from nebulus.core.tools import ToolSpec
from nebulus.proxy.asked import ChoiceKind, ClientRequest, ToolChoice
from nebulus.proxy.exchange import Exchange, after_failure, after_finding, begin, request_of

WEATHER = ToolSpec(name="weather")
ASKED = ClientRequest(messages=(Message("user", "Hello?"),), tools=(WEATHER,))
SMALL, LARGE = Tier(name="small", window_tokens=8192), Tier(name="large", window_tokens=8192)
SAID = ModelAnswer(text="I look.")
BAD = Finding(kind=FindingKind.INVALID_ARGUMENTS, rule="city is missing", tool="weather")
UNKNOWN = Finding(kind=FindingKind.UNKNOWN_TOOL, rule="no such tool", value="nope")
REFUSED = Finding(kind=FindingKind.REFUSED, rule="not allowed", tool="weather")
DEAD = Failure(kind=FailureKind.TRANSIENT, fault=Fault.BACKEND, what="no server")


def exchange(*tiers: Tier, asked: ClientRequest = ASKED) -> Exchange:
    return begin(asked, tiers or (SMALL,), Limits())


def following(state: Exchange | Failure) -> Exchange:
    assert isinstance(state, Exchange)
    return state


def test_the_first_request_is_the_clients_own() -> None:
    request = request_of(exchange(asked=replace(ASKED, temperature=0.9, seed=7)), max_tokens=100)
    assert (request.messages, request.tools, request.form) == (ASKED.messages, (WEATHER,), FreeForm())
    assert (request.temperature, request.seed, request.max_tokens) == (0.9, 7, 100)


def test_a_second_request_begins_as_the_first_says_what_was_wrong_and_is_warmer() -> None:
    again = request_of(following(after_finding(exchange(), BAD, SAID)), max_tokens=100)
    *before, said, told = again.messages
    assert tuple(before) == ASKED.messages
    assert said == Message("assistant", "I look.")
    assert "city is missing" in told.content
    assert again.form == OneCall("weather")
    assert again.temperature > 0
    assert again.seed == 1


def test_after_an_unknown_tool_the_model_may_answer_in_words() -> None:
    again = request_of(following(after_finding(exchange(), UNKNOWN, SAID)), max_tokens=100)
    assert again.form == FreeForm()


def test_a_choice_of_the_client_is_the_form_of_every_request() -> None:
    named = replace(ASKED, choice=ToolChoice(ChoiceKind.NAMED, "weather"))
    assert request_of(exchange(asked=named), max_tokens=9).form == OneCall("weather")
    nothing = replace(ASKED, choice=ToolChoice(ChoiceKind.NONE))
    assert request_of(exchange(asked=nothing), max_tokens=9).tools == ()
    shape = replace(ASKED, tools=(), schema={"type": "object"})
    assert request_of(exchange(asked=shape), max_tokens=9).form == Shape({"type": "object"})


def test_findings_without_end_end_in_a_failure_that_names_the_last() -> None:
    state: Exchange | Failure = exchange()
    attempts = 0
    while isinstance(state, Exchange):
        state = after_finding(state, replace(UNKNOWN, value=f"nope {attempts}"), SAID)
        attempts += 1
    assert attempts == 3
    assert (state.kind, state.fault) == (FailureKind.MALFORMED_ANSWER, Fault.MODEL)
    assert "no such tool" in state.what


def test_the_next_tier_begins_without_the_mistakes_of_the_first() -> None:
    state = exchange(SMALL, LARGE)
    while state.tier is SMALL:
        state = following(after_finding(state, UNKNOWN, SAID))
    assert request_of(state, max_tokens=9).messages == ASKED.messages


def test_a_failing_server_is_waited_for_longer_each_time_and_then_given_up() -> None:
    state: Exchange | Failure = exchange()
    waits = []
    while isinstance(state, Exchange):
        state = after_failure(state, DEAD)
        waits += [state.wait_s] if isinstance(state, Exchange) else []
    assert waits == [0.5, 1.0, 2.0, 4.0]
    assert state.kind is FailureKind.TRANSIENT


def test_a_wait_that_is_too_long_is_the_clients() -> None:
    busy = Failure(kind=FailureKind.THROTTLED, fault=Fault.BACKEND, what="busy", retry_after_s=60)
    assert after_failure(exchange(), busy) == replace(busy, attempts=0)
    short = following(after_failure(exchange(), replace(busy, retry_after_s=3)))
    assert short.wait_s == 3


def test_a_refusal_is_told_once_and_never_to_a_larger_model() -> None:
    state = following(after_finding(exchange(SMALL, LARGE), REFUSED, SAID))
    assert state.tier is SMALL
    assert request_of(state, max_tokens=9).form == FreeForm()
    failure = after_finding(state, REFUSED, SAID)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.fault) == (FailureKind.POLICY_REFUSAL, Fault.POLICY)
