"""The words that questions of a probe are made of, and the draws that pick among them.

Invariant: the same seed draws the same words on every machine and version of Python.
"""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")

PEOPLE = (
    "Marta Lindgren", "Tomás Rivera", "Aisha Bello", "Yuki Tanaka", "Owen Pritchard", "Leila Haddad", "Pavel Novák",
    "Ingrid Solberg", "Samuel Okoro", "Chiara Conti", "Hannah Weiss", "Mateo Duarte", "Priya Raman", "Jonas Keller",
    "Nadia Petrova", "Declan Byrne",
)  # fmt: skip
CITIES = (
    "Lisbon", "Gdansk", "Oslo", "Kyoto", "Bristol", "Porto", "Tallinn", "Ghent", "Cork", "Trieste", "Bergen", "Nantes",
    "Leeds", "Zagreb", "Malmö", "Turin",
)  # fmt: skip
GOODS = (
    "folding chairs", "whiteboard markers", "desk lamps", "extension cords", "filing boxes", "paper towels",
    "label printers", "coffee filters", "first aid kits", "safety gloves", "monitor stands", "water bottles",
    "bubble wrap", "door stops", "name badges", "tripods",
)  # fmt: skip
SUBJECTS = (
    "the quarterly review", "the kitchen renovation", "the summer schedule", "the supplier contract", "the new entrance",
    "the training day", "the budget draft", "the fire drill", "the photo shoot", "the warehouse move", "the open house",
    "the parking permits", "the insurance renewal", "the website launch", "the garden project", "the annual picnic",
)  # fmt: skip
ROOMS = ("Birch", "Cedar", "Maple", "Juniper", "Willow", "Aspen", "Rowan", "Hazel", "Larch", "Alder")
STREETS = (
    "Harbour Lane",
    "Mill Road",
    "Station Street",
    "Abbey Walk",
    "Quarry Hill",
    "Orchard Close",
    "Castle Row",
)
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth",
    "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth",
)  # fmt: skip
NUMBER_WORDS = {
    "half a dozen": 6,
    "a dozen": 12,
    "fifteen": 15,
    "two dozen": 24,
    "thirty": 30,
    "forty-five": 45,
}
FILLER = (
    "The delivery arrived shortly before noon and was left at the side door.",
    "Two of the windows on the upper floor still need a new handle.",
    "Nobody has decided yet who takes over the keys during the holidays.",
    "The old notice board will be replaced once the paint has dried.",
    "Most visitors prefer the path along the river to the main road.",
    "The heating was checked in autumn and should last another winter.",
    "A list of open questions hangs next to the printer on the ground floor.",
    "The choir rehearses every other week and brings its own music stands.",
)


class Draw:
    """Draws from a seed, one after the other."""

    def __init__(self, *seed: object) -> None:
        self._seed = "/".join(map(str, seed))
        self._count = 0

    def below(self, limit: int) -> int:
        """Return a number from 0 up to, not including, `limit`."""
        self._count += 1
        digest = hashlib.sha256(f"{self._seed}#{self._count}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % limit

    def between(self, least: int, most: int) -> int:
        """Return a number from `least` to `most`."""
        return least + self.below(most - least + 1)

    def one(self, words: Sequence[_T]) -> _T:
        """Return one of `words`."""
        return words[self.below(len(words))]

    def several(self, words: Sequence[_T], count: int) -> list[_T]:
        """Return `count` different ones of `words`, in the order in which they were drawn."""
        left = list(words)
        return [left.pop(self.below(len(left))) for _ in range(count)]

    def shuffled(self, words: Sequence[_T]) -> list[_T]:
        """Return all of `words` in another order."""
        return self.several(words, len(words))

    def code(self, length: int) -> str:
        """Return letters and digits that no model can guess."""
        return "".join(self.one("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(length))


def email_of(name: str) -> str:
    """Return the address of a person, in plain letters."""
    first, last = name.lower().translate(str.maketrans("áéíóúñö", "aeiouno")).split()
    return f"{first}.{last}@example.org"
