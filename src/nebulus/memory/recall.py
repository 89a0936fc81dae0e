"""Facts found again by the words of a step: an index that grows with the facts, ranked by BM25.

Laws: an index is a value; covering more facts gives a new one and leaves the old as it was. A fact is
recalled only for words that tell it from others: one shared common word is no reason to show it.
"""

import math
import re
from collections.abc import Iterator
from itertools import islice

from msgspec import Struct, field

from nebulus.core.state import Fact

K1 = 1.2
B = 0.75
"""Source for both: Robertson and Zaragoza 2009, doi:10.1561/1500000019, section 3.4."""
TELLING_SHARE = 0.1
"""A word is a reason to show a fact only if at most this share of all facts holds it."""
MOST_ALIKE = 4.0
"""However few facts there are, this many may hold a telling word."""
POSTINGS_KEPT = 400
"""A word that more facts hold tells nothing; its later occurrences are counted and not kept."""

_TOKEN = re.compile(r"\w+(?:[@./:\-]+\w+)*")
_PART = re.compile(r"[a-z]+")
_PLACE = re.compile(r"[/.@:]")
_COMMON_WORDS = """
    a an and are as at be by call do for from has have in into is it its now of on or step that the then there this
    to use using was what when which with you your id key name path result value
"""
_COMMON = frozenset(_COMMON_WORDS.split())
"""Words that stand in every step, and the field names that every tool uses."""


class Index(Struct, frozen=True):
    """`facts` in order, and for each word the places of the facts that hold it."""

    facts: tuple[Fact, ...] = ()
    postings: dict[str, tuple[int, ...]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    lengths: tuple[int, ...] = ()
    total: int = 0

    def covering(self, facts: tuple[Fact, ...]) -> "Index":
        """Return the index of `facts`: this one with the new facts added, or a new one if these differ."""
        known = len(self.facts)
        if facts[:known] != self.facts:
            return Index().covering(facts)
        if len(facts) == known:
            return self
        postings, counts = dict(self.postings), dict(self.counts)
        lengths: list[int] = []
        for place, fact in enumerate(facts[known:], start=known):
            words = {*words_of(fact.name), *words_of(f"{fact.value} {fact.where}", parts=False)}
            lengths.append(len(words))
            for word in words:
                counts[word] = counts.get(word, 0) + 1
                if counts[word] <= POSTINGS_KEPT:
                    postings[word] = (*postings.get(word, ()), place)
        return Index(facts, postings, counts, (*self.lengths, *lengths), self.total + sum(lengths))

    def best(self, text: str, *, most: int) -> tuple[Fact, ...]:
        """Return at most `most` facts that share telling words with `text`, the best first; the newest of equals.

        Facts of one step tell of each other: where the words single out a result, all that came with it is
        worth showing, what else they name of it first ("the contact of Berg AG"). A fact whose value stands
        in `text` already is left out, unless it can say where the value stood.
        """
        scores: dict[int, float] = {}
        shared: dict[int, int] = {}
        rare: dict[int, bool] = {}
        most_rare = max(MOST_ALIKE, TELLING_SHARE * len(self.facts))
        for word, place, score in self._shared(text):
            scores[place] = scores.get(place, 0.0) + score
            shared[place] = shared.get(place, 0) + 1
            if self.counts[word] <= most_rare:
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
        for _, place, score in self._shared(text):
            scores[place] = scores.get(place, 0.0) + score
        ranked = sorted(scores, key=lambda place: (-scores[place], place))
        return tuple(self.facts[place] for place in ranked[:most])

    def _shared(self, text: str) -> Iterator[tuple[str, int, float]]:
        """Each word of `text` with each place that holds it, and what it is worth there."""
        for word in dict.fromkeys(words_of(text)):  # in the order of the text: sums come out alike everywhere
            weight = self._weight(word)
            for place in self.postings.get(word, ()):
                yield word, place, weight * self._saturation(place)

    def _is_news(self, place: int, text: str) -> bool:
        fact = self.facts[place]
        return bool(fact.where) or fact.value not in text

    def _siblings(self, telling: set[int], scores: dict[int, float]) -> dict[int, float]:
        """Every other fact that came with a telling one, with the best score of these."""
        best: dict[int, float] = {}
        for place in telling:
            start = end = place
            while start and self.facts[start - 1].step == self.facts[place].step:
                start -= 1
            while end + 1 < len(self.facts) and self.facts[end + 1].step == self.facts[place].step:
                end += 1
            for sibling in set(range(start, end + 1)) - telling:
                best[sibling] = max(best.get(sibling, 0.0), scores[place])
        return best

    def _weight(self, word: str) -> float:
        count = self.counts.get(word, 0)
        return math.log(1 + (len(self.facts) - count + 0.5) / (count + 0.5))

    def _saturation(self, place: int) -> float:
        """BM25's factor for a word that occurs once in a fact of this length."""
        mean = self.total / len(self.facts)
        return (K1 + 1) / (1 + K1 * (1 - B + B * self.lengths[place] / mean))


def words_of(text: str, *, parts: bool = True) -> Iterator[str]:
    """Yield the words of `text` in lower case: each whole, and with `parts` those that a name is put together of."""
    for match in _TOKEN.finditer(text.lower()):
        word = match[0]
        if word not in _COMMON and not word.isdigit():
            yield word
        if parts and ("_" in word or "-" in word) and not _PLACE.search(word):
            yield from (part for part in _PART.findall(word) if len(part) > 2 and part not in _COMMON)


def is_distinctive(word: str) -> bool:
    """Whether a word is a name or a code by its look, and no plain word."""
    return not word.isalpha()
