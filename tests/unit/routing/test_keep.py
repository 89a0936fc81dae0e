"""What an answer shows of itself decides whether it is kept; nothing is refused."""

from nebulus.core.demand import Estimate
from nebulus.core.findings import Call, CallEvidence, Finding, FindingKind, Reading
from nebulus.core.routes import RoutePolicy
from nebulus.core.tools import ToolSpec
from nebulus.routing.demand import demand_of
from nebulus.routing.evidence import evidence_of
from nebulus.routing.keep import Escalate, Keep, chance_right, keep_or_escalate

BOOK = ToolSpec(
    name="book_room",
    description="Book a room in a hotel.",
    parameters={
        "type": "object",
        "properties": {
            "hotel": {"type": "string"},
            "nights": {"type": "integer"},
            "breakfast": {"type": "boolean"},
        },
        "required": ["hotel"],
    },
)
TEXT = "Book a room in the Grand Hotel for three nights."


def reading(**arguments: object) -> Reading:
    return Reading(calls=(Call("book_room", dict(arguments)),), evidence=(CallEvidence.WHOLE,))


def chance(parsed: Reading, text: str = TEXT) -> float:
    return chance_right(evidence_of(parsed, text, (BOOK,)), demand_of(text, (BOOK,)))


def test_values_of_the_text_are_found_in_words_and_digits() -> None:
    values = evidence_of(reading(hotel="grand hotel", nights=3), TEXT, (BOOK,)).values
    assert (values.given, values.found, values.numbers_unused) == (2, 2, 0)
    assert (values.optional_given, values.optional_left) == (1, 1)


def test_a_percentage_may_be_written_as_a_fraction() -> None:
    values = evidence_of(reading(nights=0.05), "Save 5 percent", (BOOK,)).values
    assert values.found == 1


def test_a_call_that_uses_what_the_text_says_is_likelier_right() -> None:
    grounded = chance(reading(hotel="Grand Hotel", nights=3))
    assert grounded > chance(reading(hotel="Grand Hotel"))
    assert grounded > chance(reading(hotel="Plaza", nights=3)) > chance(reading(hotel="Plaza", nights=9))


def test_the_same_call_twice_is_less_likely_right() -> None:
    once = reading(hotel="Grand Hotel", nights=3)
    twice = Reading(calls=once.calls * 2, evidence=once.evidence * 2)
    assert chance(twice) < chance(once)


def test_a_call_of_a_tool_that_the_text_does_not_speak_of_is_less_likely_right() -> None:
    other = "Who wrote Grand Hotel 3?"
    assert chance(reading(hotel="Grand Hotel", nights=3), other) < chance(
        reading(hotel="Grand Hotel", nights=3)
    )


def test_words_are_likelier_right_where_no_tool_fits() -> None:
    words = Reading(text="I can't do that with these tools.")
    assert chance(words, "Who wrote Hamlet?") > chance(words, TEXT)
    finding = Finding(kind=FindingKind.UNREADABLE, rule="x")
    assert chance(Reading(finding=finding), TEXT) < chance(words, TEXT)


def test_an_answer_goes_up_only_where_the_next_tier_promises_more() -> None:
    demand, policy = demand_of(TEXT, (BOOK,)), RoutePolicy()
    better, worse = Estimate(mean=0.9, low=0.8, high=0.95), Estimate(mean=0.3, low=0.1, high=0.5)
    assert isinstance(keep_or_escalate(0.7, demand, better, policy=policy), Keep)
    assert isinstance(keep_or_escalate(0.4, demand, better, policy=policy), Escalate)
    assert isinstance(keep_or_escalate(0.4, demand, worse, policy=policy), Keep)
    assert "nothing is known" in keep_or_escalate(0.4, demand, None, policy=policy).reason
