"""What a step asks for is shown before what comes with it, however many things it asks for at once."""

from nebulus.core.plan import Goal, Plan, Step
from nebulus.core.provenance import Provenance
from nebulus.core.state import Fact, State
from nebulus.core.tools import ToolResult
from nebulus.memory.choice import Choice, choose
from nebulus.memory.distil import with_active, with_result, with_user_answer
from nebulus.memory.prompt import BOUNDLESS, compose_step
from nebulus.memory.recall import Index

PAGES = 12
NOW = PAGES + 1


def office(text: str) -> State:
    """A state that has read a page of three fields in each of its first steps, and now does `text`."""
    facts = [
        Fact(step=n, field=name, value=value, provenance=Provenance(), where=f"line {line}")
        for n in range(1, PAGES + 1)
        for line, (name, value) in enumerate(
            (("account", f"Berg{n} AS"), ("contact", f"a{n}@berg{n}.example"), ("limit", f"{n}0.50 EUR"))
        )
    ]
    plan = Plan(tuple(Step(number=n, text=text) for n in range(1, PAGES + 2)))
    return with_active(State(goal=Goal(text="Write."), plan=plan, facts=tuple(facts)), NOW)


def chosen_for(state: State, step: int = NOW) -> Choice:
    return choose(state, state.step(step).text, Index().covering(state.facts), step=step)


def shown(state: State, *, resolves: bool = True, room_bytes: int = BOUNDLESS) -> str:
    return compose_step(state, step=NOW, resolves=resolves, room_bytes=room_bytes).messages()[-1].content


def values(facts: tuple[Fact, ...]) -> list[str]:
    return [fact.value for fact in facts]


def test_the_best_of_each_clause_comes_before_what_came_with_it() -> None:
    text = ", ".join(f"the {field} of Berg{n}" for n, field in ((2, "limit"), (5, "contact"), (9, "limit")))
    state = office(f"write about {text} and the contact of Berg11")
    chosen = chosen_for(state)
    best = ["20.50 EUR", "a5@berg5.example", "90.50 EUR", "a11@berg11.example"]
    assert values(chosen.recalled)[:4] == best


def test_of_a_step_that_asks_for_many_things_by_words_every_one_is_shown() -> None:
    state = office(" and ".join(f"the limit of Berg{n}" for n in range(1, PAGES + 1)))
    text = shown(state)
    assert all(f"{n}0.50 EUR" in text for n in range(1, PAGES + 1))


def test_facts_next_to_a_named_field_rank_below_what_the_words_ask_for() -> None:
    state = office("write the limit of step 3 and the contact of Berg7")
    chosen = chosen_for(state)
    assert values(chosen.asked) == ["30.50 EUR"]
    assert values(chosen.related) == ["Berg3 AS", "a3@berg3.example"]
    floor = compose_step(state, step=NOW, room_bytes=0).size_bytes
    tight = shown(state, resolves=False, room_bytes=floor + 260)
    assert "30.50 EUR" in tight
    assert "a7@berg7.example" in tight
    assert "Berg3 AS" not in tight


def test_a_mention_that_matches_no_fact_asks_for_all_facts_of_its_step() -> None:
    state = office("write the result of step 3")
    chosen = chosen_for(state)
    assert values(chosen.asked) == ["Berg3 AS", "a3@berg3.example", "30.50 EUR"]
    assert not chosen.related


def test_the_last_result_leaves_room_for_the_facts_that_the_words_ask_for() -> None:
    state = office("write to the contact of Berg4")
    state = with_result(
        state, step=NOW, tool="t", call_id="c", result=ToolResult(text="x" * 5000, artifact="f" * 64)
    )
    floor = compose_step(state, step=NOW, room_bytes=0).size_bytes
    tight = shown(state, room_bytes=floor + 700)
    assert "a4@berg4.example" in tight
    assert "Last: t -> xxx" in tight


def test_what_the_user_answered_in_this_step_is_asked_for_and_in_the_next_no_more() -> None:
    state = with_user_answer(office("write"), "To whom?", "Anna", step=NOW, model="small", is_trusted=True)
    assert values(chosen_for(state).asked) == ["To whom?", "Anna"]
    assert not chosen_for(state, step=1).asked
