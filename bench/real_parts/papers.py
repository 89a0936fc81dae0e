"""The papers of a small office: letters, invoices, notes and settings, drawn at random, with what they say."""

import random
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct, field

PEOPLE = (
    "Anna Keller", "Paul Kessler", "Ines Marten", "Olga Brandt", "Sam Whitlock", "Priya Nair", "Tom Reyes", "Ewa Zielinska",
    "Viktor Sandberg", "Agnes Moreau", "Luis Ortega", "Hannah Weiss", "Fatima Idrissi", "Jonas Lund", "Marta Lindqvist",
)  # fmt: skip
FOLDERS = (
    "inbox",
    "letters",
    "invoices",
    "notes",
    "plans",
    "drafts",
    "archive",
    "office/2026",
    "home",
    "projects/roof",
)
NAMES = (
    "hoffmann", "heating", "party", "garage", "roof", "garden", "insurance", "holiday", "printer", "kitchen", "bicycle",
    "school", "dentist", "lamp", "window", "boiler", "fence", "harbour", "choir", "market", "library", "museum", "ferry",
    "orchard", "piano", "painter", "tiles", "cellar", "attic", "balcony", "bakery", "carpet", "curtain", "doorbell",
)  # fmt: skip
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "September", "October", "November")
THINGS = (
    "the floor plan",
    "two spare keys",
    "the signed contract",
    "the old photographs",
    "a ladder",
    "the price list",
)
SENTENCES = (
    "The heating is serviced on {date}",
    "{person} has the spare key",
    "Pick up the parcel before {date}",
    "The meeting with {person} is cancelled",
    "Call {person} about the roof",
    "The painter comes on {date} at 8 o'clock",
    "Return the books by {date}",
    "Paid in cash on {date}",
    "{person} will bring the benches",
    "Water the plants while {person} is away",
)


class Paper(Struct, frozen=True):
    """A text, the values in it that can be asked for, and the pieces in it that may change, with their new text."""

    text: str
    facts: dict[str, str] = field(default_factory=dict)
    changes: tuple[tuple[str, str], ...] = ()

    def changed(self, old: str, new: str) -> "Paper":
        """Return the paper with one piece replaced."""
        left = tuple(pair for pair in self.changes if pair[0] != old)
        return Paper(self.text, self.facts, left).with_text(self.text.replace(old, new))

    def with_text(self, text: str) -> "Paper":
        """Return the paper with another text; facts and changes that are not in it just once are forgotten."""
        facts = {name: value for name, value in self.facts.items() if text.count(value) == 1}
        changes = tuple(pair for pair in self.changes if text.count(pair[0]) == 1)
        return Paper(text, facts, changes)


Kind: TypeAlias = Callable[[random.Random], Paper]


def _letter(rng: random.Random) -> Paper:
    person, sender = rng.sample(PEOPLE, 2)
    order, day, later = f"{rng.randint(10, 99)}-{rng.randint(1000, 9999)}", *two_dates(rng)
    text = (
        f"Dear {person},\n\nyour order {order} leaves our house on {day}. Please be at home\n"
        f"between 9 and 12 o'clock, and have your passport ready.\n\nKind regards,\n{sender}\n"
    )
    return Paper(
        text,
        {"order number": order, "name of the sender": sender},
        ((day, later), ("passport", "order number")),
    )


def _invoice(rng: random.Random) -> Paper:
    number, customer, other = f"R-{rng.randint(20000, 29999)}", *rng.sample(PEOPLE, 2)
    amount, day, later = rng.randint(1200, 98000) / 100, *two_dates(rng)
    text = f"INVOICE {number}\n\nCustomer: {customer}\nAmount: {amount:.2f} EUR\nPayable until: {day}\n\nThank you.\n"
    return Paper(
        text, {"invoice number": number, "customer's name": customer}, ((customer, other), (day, later))
    )


def _note(rng: random.Random) -> Paper:
    person, other = rng.sample(PEOPLE, 2)
    room, (day, later) = f"{rng.randint(1, 4)}.{rng.randint(10, 48)}", two_dates(rng)
    text = (
        f"Meeting with {person} on {day} in room {room}.\nBring {rng.choice(THINGS)}.\nAsk about the costs.\n"
    )
    facts = {"room number": room, "date of the meeting": day}
    return Paper(text, facts, ((person, other), (day, later), ("the costs", "the time plan")))


def _settings(rng: random.Random) -> Paper:
    port, other = rng.sample(range(3000, 9900), 2)
    host = f"{rng.choice(NAMES)}.example.org"
    seconds = rng.randint(2, 9)
    text = f"[server]\nhost = {host}\nport = {port}\ntimeout = {seconds}\nlog = yes\n"
    changes = (
        (f"port = {port}", f"port = {other}"),
        (f"timeout = {seconds}", f"timeout = {seconds}0"),
        ("log = yes", "log = no"),
    )
    return Paper(text, {"name of the host": host, "port": str(port)}, changes)


KINDS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    (_letter, (".txt", ".md")),
    (_invoice, (".txt",)),
    (_note, (".txt", ".md")),
    (_settings, (".ini", ".conf")),
)


def two_dates(rng: random.Random) -> tuple[str, str]:
    """Return two dates, the second not the first."""
    day, other = rng.sample(range(3, 28), 2)
    return f"{day} {rng.choice(MONTHS)}", f"{other} {rng.choice(MONTHS)}"


def sentence(rng: random.Random) -> str:
    """Return a short note, without a full stop."""
    return rng.choice(SENTENCES).format(person=rng.choice(PEOPLE), date=two_dates(rng)[0])


def office(rng: random.Random, count: int) -> dict[str, Paper]:
    """Return `count` papers by their paths; no two have the same name."""
    papers = {}
    for name in rng.sample(NAMES, count):
        kind, endings = rng.choice(KINDS)
        papers[f"{rng.choice(FOLDERS)}/{name}{rng.choice(endings)}"] = kind(rng)
    return papers
