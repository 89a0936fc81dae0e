"""A fact is found again by its distinctive words."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.provenance import Provenance
from nebulus.core.state import Fact
from nebulus.memory.recall import Index, words_of


def fact(step: int, name: str, value: str, where: str = "") -> Fact:
    return Fact(step=step, field=name, value=value, provenance=Provenance(), where=where)


MANY = tuple(fact(n, "path", f"src/m{n}.py") for n in range(1, 300))
NEEDED = (
    fact(7, "customer_email", "anna@example.org"),
    fact(9, "number", "55.20", "line 2: the total of order A-1234 was 55.20"),
)
FACTS = (*MANY[:50], *NEEDED, *MANY[50:])


def found(text: str, *, most: int = 3) -> list[str]:
    return [item.value for item in Index().covering(FACTS).best(text, most=most)]


def test_a_fact_of_300_steps_ago_is_found_by_its_name() -> None:
    assert found("send the letter to the customer_email")[0] == "anna@example.org"
    assert found("send it to the email of the customer")[0] == "anna@example.org"


def test_a_fact_is_found_by_the_words_around_it() -> None:
    assert found("refund the total of order A-1234")[0] == "55.20"


def test_the_named_field_is_found_in_the_result_that_the_words_identify() -> None:
    facts = tuple(
        item
        for n in range(1, 60)
        for item in (
            fact(n, "customer", f"Firm{n} Berg AG", "line 1"),
            fact(n, "contact", f"mail{n}@firm.example", "line 2"),
            fact(n, "due", f"2026-03-{n:02}", "line 3"),
        )
    )
    index = Index().covering(facts)
    assert [item.value for item in index.best("write to the contact of Firm7", most=2)] == [
        "mail7@firm.example",
        "Firm7 Berg AG",
    ]
    others = [item.value for item in index.best("when must Firm9 have it, and whom do we ask", most=5)]
    assert others[0] == "Firm9 Berg AG"
    assert set(others) == {"Firm9 Berg AG", "mail9@firm.example", "2026-03-09"}, "all that came with it"


def test_a_word_that_every_fact_contains_recalls_nothing() -> None:
    assert found("write the path") == []
    assert found("go on with the work as planned") == []


def test_a_value_that_the_text_already_contains_is_not_shown_twice() -> None:
    assert found("send to anna@example.org, the customer_email") == []


def test_of_equal_facts_the_newest_comes_first() -> None:
    facts = tuple(fact(n, "build_id", f"b-{n}") for n in range(1, 5))
    assert [item.step for item in Index().covering(facts).best("use the build_id", most=2)] == [4, 3]


@given(cuts=st.lists(st.integers(0, len(FACTS)), max_size=4))
def test_an_index_that_grew_is_the_index_that_was_made_at_once(cuts: list[int]) -> None:
    grown = Index()
    for cut in sorted(cuts):
        before = grown
        grown = grown.covering(FACTS[:cut])
        assert before.covering(before.facts) is before, "what was there is left as it was"
    assert grown.covering(FACTS) == Index().covering(FACTS)


def test_other_facts_make_another_index() -> None:
    index = Index().covering(FACTS)
    assert index.covering(NEEDED) == Index().covering(NEEDED)


def test_a_word_counts_whole_and_in_its_parts() -> None:
    assert set(words_of("the customer_email in src/a-12.py")) == {
        "customer_email",
        "customer",
        "email",
        "src/a-12.py",
    }
    assert set(words_of("customer_email", parts=False)) == {"customer_email"}
