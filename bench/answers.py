"""Typed answers of real models through whole runs: a question in prose, a few tools, an answer of a given type.

    python bench/answers.py MODEL … [--json]

Each question is a run: the model plans, calls and answers, and the run says where it saw each value. A run counts as
right if its answer equals the expected one. MODEL is any model that `nebulus run -m` takes.
"""

import argparse
import json
import time
from typing import Any

from msgspec import Struct

from nebulus import Agent, Done, tool


class Weather(Struct, frozen=True):
    """The weather of one city."""

    city: str
    celsius: float


class Owner(Struct, frozen=True):
    """Who owns a car."""

    name: str
    phone: str


class Price(Struct, frozen=True):
    """A price in euros."""

    euros: float


class Opening(Struct, frozen=True):
    """When a place opens."""

    hour: int


@tool(effect="read")
def get_weather(city: str) -> dict[str, float]:
    """Get the temperature in a city, in degrees Celsius."""
    return {"celsius": {"oslo": 7.0, "rome": 21.0, "cairo": 33.0}.get(city.lower(), 12.0)}


@tool(effect="read")
def find_owner(plate: str) -> dict[str, str]:
    """Find the owner of a car by its plate."""
    owners = {"KX4711": ("Ada Berg", "555-0142"), "BL9020": ("Tom Reyes", "555-0177")}
    name, phone = owners.get(plate.replace(" ", "").replace("-", "").upper(), ("unknown", "unknown"))
    return {"owner": name, "phone": phone}


@tool(effect="read")
def get_price(item: str) -> dict[str, float]:
    """Get the price of an item, in euros."""
    return {"euros": {"lamp": 40.0, "chair": 85.0, "table": 210.0}.get(item.lower(), 10.0)}


@tool(effect="read")
def opening_hours(place: str) -> str:
    """Tell when a place is open."""
    return f"The {place} is open from 9 to 17 o'clock."


TOOLS = (get_weather, find_owner, get_price, opening_hours)
QUESTIONS: tuple[tuple[str, Any], ...] = (
    ("How warm is it in Oslo?", Weather("Oslo", 7.0)),
    ("Tell me the temperature in Cairo right now.", Weather("Cairo", 33.0)),
    ("Is it warmer in Rome or in Oslo? Answer with the weather of the warmer city.", Weather("Rome", 21.0)),
    (
        "Who owns the car with the plate KX 4711, and what is their phone number?",
        Owner("Ada Berg", "555-0142"),
    ),
    ("I need to call the owner of BL 9020. Who is it?", Owner("Tom Reyes", "555-0177")),
    ("What does a chair cost?", Price(85.0)),
    ("What do a lamp and a table cost together?", Price(250.0)),
    ("At what hour does the museum open?", Opening(9)),
)


def answered(model: str) -> list[dict[str, Any]]:
    """Ask every question, and return what came of each."""
    agent, rows = Agent(tools=list(TOOLS), model=model), []
    for question, expected in QUESTIONS:
        began = time.perf_counter()
        outcome = agent.run(question, result=type(expected))
        answer = outcome.answer if isinstance(outcome, Done) else None
        rows.append(
            {
                "question": question,
                "outcome": type(outcome).__name__,
                "proof": outcome.proof.value if isinstance(outcome, Done) else "",
                "answer": str(answer if answer is not None else outcome)[:160],
                "is_right": answer == expected,
                "seconds": round(time.perf_counter() - began, 1),
            }
        )
    return rows


def main() -> None:
    """Ask, and print a table or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()
    for model in given.models:
        rows = answered(model)
        if given.json:
            print(json.dumps({"model": model, "rows": rows}, indent=1))
            continue
        right = sum(row["is_right"] for row in rows)
        print(f"\n{model}: {right} of {len(rows)} right")
        for row in rows:
            mark = "✓" if row["is_right"] else "✗"
            print(
                f"{mark} {row['question']}\n    {row['outcome']} {row['proof']} {row['answer']}  ({row['seconds']} s)"
            )


if __name__ == "__main__":
    main()
