"""Facts found again by the words of a step: an index that grows with the facts, ranked by BM25.

Invariants: an index is a value; covering more facts gives a new one and leaves the old as it was. A fact is
recalled only for distinctive words: one shared common word is not a reason to show it.
"""

import math
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from msgspec import Struct, field

from nebulus.core.state import Fact

K1 = 1.2
B = 0.75
"""Source for both: Robertson and Zaragoza 2009, doi:10.1561/1500000019, section 3.4."""
TELLING_SHARE = 0.1
"""A word is a reason to show a fact only if at most this share of all facts contains it."""
MOST_ALIKE = 4.0
"""However few facts there are, this many may contain a distinctive word."""
POSTINGS_KEPT = 400
"""A word in more facts than this is not distinctive; its later occurrences are counted but not stored."""

_TOKEN = re.compile(r"\w+(?:[@./:\-]+\w+)*")
_PART = re.compile(r"[a-z]+")
_PLACE = re.compile(r"[/.@:]")
_COMMON_WORDS = """
    a an and are as at be by call do for from has have in into is it its now of on or step that the then there this
    to use using was what when which with you your id key name path result value
"""
_COMMON = frozenset(_COMMON_WORDS.split())
"""Words that are in every step, and the field names that every tool uses."""


class Index(Struct, frozen=True):
    """`facts` in order; for each word the places of the facts that contain it, and for each step those of its facts."""

    facts: tuple[Fact, ...] = ()
    postings: dict[str, tuple[int, ...]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    steps: dict[int, tuple[int, ...]] = field(default_factory=dict)
    lengths: tuple[int, ...] = ()
    total: int = 0

    def covering(self, facts: tuple[Fact, ...]) -> "Index":
        """Return the index of `facts`: this one with the new facts added, or a new one if these differ."""
        if facts is self.facts:
            return self
        known = len(self.facts)
        if facts[:known] != self.facts:
            return Index().covering(facts)
        if len(facts) == known:
            return self
        postings, counts, steps = dict(self.postings), dict(self.counts), dict(self.steps)
        lengths: list[int] = []
        for place, fact in enumerate(facts[known:], start=known):
            steps[fact.step] = (*steps.get(fact.step, ()), place)
            words = {*words_of(fact.name), *words_of(f"{fact.value} {fact.where}", parts=False)}
            lengths.append(len(words))
            for word in words:
                counts[word] = counts.get(word, 0) + 1
                if counts[word] <= POSTINGS_KEPT:
                    postings[word] = (*postings.get(word, ()), place)
        total = self.total + sum(lengths)
        return Index(facts, postings, counts, steps, (*self.lengths, *lengths), total)

    def of_steps(self, numbers: Iterable[int]) -> tuple[Fact, ...]:
        """Return the facts of these steps, step by step."""
        return tuple(self.facts[place] for number in sorted(numbers) for place in self.steps.get(number, ()))

    def best(self, text: str, *, most: int) -> tuple[Fact, ...]:
        """Return at most `most` facts that share distinctive words with `text`, the best first; the newest of equals.

        Facts of one step belong together: if the words identify a result, everything that came with it is
        worth showing, fields that the words name first ("the contact of Berg AG"). A fact whose value
        is in `text` already is left out, unless it can say where the value was found.
        """
        scores: dict[int, float] = {}
        shared: dict[int, int] = {}
        rare: dict[int, bool] = {}
        words = dict.fromkeys(words_of(text))
        near = self._near(words)
        for word, place, score in self._shared(words, near):
            scores[place] = scores.get(place, 0.0) + score
            shared[place] = shared.get(place, 0) + 1
            if self._is_rare(word):
                rare[place] = rare.get(place, False) or is_distinctive(word)
        telling = {place for place, is_name in rare.items() if is_name or shared[place] > 1}
        telling = {place for place in telling if self._is_news(place, text)}
        siblings = self._siblings(telling, scores)
        for place, score in siblings.items():
            scores[place] = scores.get(place, 0.0) + score
        worth = telling | siblings.keys()
        ranked = sorted(worth, key=lambda place: (-scores[place], place in siblings, -place))
        return tuple(islice((self.facts[place] for place in ranked if self._is_news(place, text)), most))

    def closest(self, text: str, *, most: int) -> tuple[Fact, ...]:
        """Return at most `most` facts that share any word with `text`, the best first; the first of equals."""
        scores: dict[int, float] = {}
        for _, place, score in self._shared(dict.fromkeys(words_of(text))):
            scores[place] = scores.get(place, 0.0) + score
        ranked = sorted(scores, key=lambda place: (-scores[place], place))
        return tuple(self.facts[place] for place in ranked[:most])

    def _is_rare(self, word: str) -> bool:
        return self.counts.get(word, 0) <= max(MOST_ALIKE, TELLING_SHARE * len(self.facts))

    def _near(self, words: Iterable[str]) -> set[int]:
        """The places of the rare among `words`, and all that came with them: nothing else can be worth showing."""
        steps = {
            self.facts[place].step
            for word in words
            if self._is_rare(word)
            for place in self.postings.get(word, ())
        }
        return {place for step in steps for place in self.steps[step]}

    def _shared(self, words: Iterable[str], near: set[int] | None = None) -> Iterator[tuple[str, int, float]]:
        """Each of `words` with each place that contains it, and what it is worth there; only places that are `near`."""
        mean = self.total / len(self.facts) if self.facts else 1.0
        for word in words:  # in the order of the text: sums come out alike everywhere
            weight, places = self._weight(word), self.postings.get(word, ())
            for place in places if near is None else near.intersection(places):
                yield word, place, weight * _saturation(self.lengths[place] / mean)

    def _is_news(self, place: int, text: str) -> bool:
        fact = self.facts[place]
        return bool(fact.where) or fact.value not in text

    def _siblings(self, telling: set[int], scores: dict[int, float]) -> dict[int, float]:
        """Yield every other fact of the same step as a matching one, with the best score of these."""
        best: dict[int, float] = {}
        for place in telling:
            for sibling in self.steps[self.facts[place].step]:
                if sibling not in telling:
                    best[sibling] = max(best.get(sibling, 0.0), scores[place])
        return best

    def _weight(self, word: str) -> float:
        count = self.counts.get(word, 0)
        return math.log(1 + (len(self.facts) - count + 0.5) / (count + 0.5))


def _saturation(length: float) -> float:
    """BM25's factor for a word that occurs once in a fact of this length, 1.0 being the mean."""
    return (K1 + 1) / (1 + K1 * (1 - B + B * length))


def words_of(text: str, *, parts: bool = True) -> Iterator[str]:
    """Yield the words of `text` in lower case: each whole, and with `parts` also the parts of a compound name."""
    for match in _TOKEN.finditer(text.lower()):
        word = match[0]
        if word not in _COMMON and not word.isdigit():
            yield word
        if parts and ("_" in word or "-" in word) and not _PLACE.search(word):
            yield from (part for part in _PART.findall(word) if len(part) > 2 and part not in _COMMON)


def is_distinctive(word: str) -> bool:
    """Whether a word looks like a name or a code, not like a plain word."""
    return not word.isalpha()
