"""Labels are joined and never lost; trust is never gained."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.provenance import CONFIG, USER, Origin, Provenance, join
from tests.unit.core.values import any_struct

LABELS = any_struct(Provenance)
PARTS = st.lists(LABELS, max_size=5)


@given(PARTS, st.randoms(use_true_random=False))
def test_the_order_of_the_parts_does_not_matter(parts: list[Provenance], random: Random) -> None:
    shuffled = random.sample(parts, len(parts))
    assert join(shuffled) == join(parts)


@given(LABELS, LABELS, LABELS)
def test_joining_in_groups_gives_the_same_label(a: Provenance, b: Provenance, c: Provenance) -> None:
    assert join([join([a, b]), c]) == join([a, join([b, c])]) == join([a, b, c])


@given(st.lists(LABELS, min_size=1, max_size=5))
def test_joining_again_changes_nothing(parts: list[Provenance]) -> None:
    joined = join(parts)
    assert join([joined]) == joined
    assert join([joined, *parts]) == joined


@given(PARTS, LABELS)
def test_trust_is_never_gained_by_joining(parts: list[Provenance], untrusted: Provenance) -> None:
    assert join(parts).is_trusted == (bool(parts) and all(part.is_trusted for part in parts))
    assert not join([*parts, Provenance(untrusted.origins, is_trusted=False)]).is_trusted


@given(PARTS)
def test_no_origin_is_lost_and_none_is_invented(parts: list[Provenance]) -> None:
    assert set(join(parts).origins) == {origin for part in parts for origin in part.origins}


def test_a_value_made_from_nothing_is_untrusted() -> None:
    assert join([]) == Provenance((), is_trusted=False)


def test_what_the_user_and_the_settings_say_is_trusted_until_a_document_joins() -> None:
    document = Provenance((Origin("document", "mail.txt"),))
    assert join([USER, CONFIG]).is_trusted
    assert not join([USER, CONFIG, document]).is_trusted
