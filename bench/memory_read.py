"""What reading brings: letters whose values stand in sentences without a label, and who finds them.

Three values are wanted from each letter, which contains others of the same kind. `by name` is the share that code finds
without a model under the name that is wanted; `marked` the share whose value code keeps under some other name, for
want of a better one. Readers answer the machine's own question: one that reads what it is shown without a mistake, one
that lies in five ways, and the model. `made up` counts accepted values that do not stand in the letter.
"""

import json
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from bench.memory_course import RESERVE_TOKENS, Serve, obeyed
from bench.memory_needed import WORDS
from bench.walk import Walk, answered, begun
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.core.budget import Budget
from nebulus.core.config import RunConfig
from nebulus.core.digest import digest
from nebulus.core.errors import BackendError
from nebulus.core.plan import Goal, Plan, Step, ToolSucceeded
from nebulus.core.tiers import StepKind, Tier
from nebulus.core.tools import Effect, ToolResult, ToolSpec
from nebulus.memory.record import needs_store, stored_result

LENGTHS = (600, 3_000, 30_000)
"""Characters of a letter: whole in one prompt, several passages, and a book of them."""
PEOPLE = (
    "Anna Berg",
    "Jonas Falk",
    "Ida Lind",
    "Per Holm",
    "Mia Dahl",
    "Olav Strand",
    "Tone Moe",
    "Siri Aas",
)
KINDS = ("labelled", "sentences", "common words")
COMMON = ("parcel", "person", "sender", "paid", "transport")
"""Words of the meanings: in letters of common words, every third filler sentence holds one of them."""
READS = {
    "weight": "what the parcel weighs",
    "receiver": "the person who gets the parcel",
    "fee": "what the sender paid for the transport",
}
SENTENCES = {
    "weight": (
        "When we put the parcel on the scale this morning it came to {}.",
        "The parcel turned out heavier than we thought, {} to be exact.",
        "Our scale showed {} for the parcel, and we checked it twice.",
    ),
    "receiver": (
        "Please see to it that the parcel gets into the hands of {} and of nobody else.",
        "The parcel is meant for {}, who has waited for it since spring.",
        "It was packed for {}, the only person who may take the parcel.",
    ),
    "fee": (
        "The sender has already paid {} for the transport.",
        "For the transport the sender was charged {} at the counter.",
        "The transport cost the sender {}, which he found too much.",
    ),
}
DECOYS = {
    "weight": "The crate beside it, which stays with us, weighs {}.",
    "receiver": "With greetings from {}, who wrote this down.",
    "fee": "Last year the same way still cost {} for a chair.",
}
CALL = '<tool_call>\n{"name": "fetch_letter", "arguments": {"text": "berg"}}\n</tool_call>'
TOOL = ToolSpec(
    name="fetch_letter",
    parameters={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    effect=Effect.READ,
    is_untrusted=True,
    reads=READS,
)


class Letter(Struct, frozen=True):
    """A text, and the values that are wanted of it; a value of "" does not stand in it."""

    text: str
    values: dict[str, str]


class Found(Struct, frozen=True):
    """What came of one letter."""

    right: int
    wrong: int
    made_up_accepted: int
    made_up_dropped: int
    shown: int
    unreadable: int


Reader: TypeAlias = Callable[[ModelRequest, Letter, random.Random], Awaitable[ModelAnswer]]


def letter(rng: random.Random, length: int, *, kind: str = "sentences", lacks: str = "") -> Letter:
    """Return a letter of about `length` characters; without the value called `lacks`."""
    is_labelled, has_common = kind == "labelled", kind == "common words"
    values = {name: _value(rng, name) for name in READS}
    decoys = [DECOYS[name].format(_value(rng, name)) for name in READS]
    told = [
        f"{name.capitalize()}: {value}" if is_labelled else rng.choice(SENTENCES[name]).format(value)
        for name, value in values.items()
        if name != lacks
    ]
    lines = [*told, *decoys]
    while sum(map(len, lines)) < length:
        words = rng.choices(WORDS, k=14)
        if has_common and rng.random() < 1 / 3:
            words[rng.randrange(14)] = rng.choice(COMMON)
        lines.append(" ".join(words).capitalize() + ".")
    rng.shuffle(lines)
    joined = "\n".join(lines) if is_labelled else "".join(line + rng.choice(" \n") for line in lines).strip()
    return Letter(joined, {name: "" if name == lacks else value for name, value in values.items()})


def _value(rng: random.Random, kind: str) -> str:
    if kind == "receiver":
        return rng.choice(PEOPLE)
    return f"{rng.randint(2, 90)}.{rng.randint(10, 99)} {'kg' if kind == 'weight' else 'EUR'}"


def told(given: Letter) -> Walk:
    """The machine after its tool has returned the letter."""
    config = RunConfig(
        tools=(TOOL,),
        tiers=(Tier(name="nano", window_tokens=4096, reserve_tokens=RESERVE_TOKENS),),
        budget=Budget(model_calls=0, tool_calls=0),
    )
    step = Step(number=1, text="fetch_letter about berg", checks=(ToolSucceeded("fetch_letter"),))
    plan = Plan((step, Step(number=2, text="think")))
    at = begun(config, Goal(text="Send the parcels on."), plan)
    result = ToolResult(text=given.text, size_bytes=len(given.text.encode()))
    if needs_store(given.text):
        result = stored_result(given.text, address=digest(given.text), is_trusted=False, reads=READS)
    return obeyed(at, CALL, result)


async def read(given: Letter, reader: Reader, rng: random.Random) -> Found:
    """Have a letter read until the machine goes on, and look at what it believes."""
    at = told(given)
    before = len(at.machine.state.facts)
    shown = 0
    while at.asked is not None and at.asked.kind is StepKind.EXTRACT:
        prompt = at.request.messages[-1].content.partition("\nText: ")[2]
        shown = sum(bool(value) and value in prompt for value in given.values.values())
        at = answered(at, await reader(at.request, given, rng))
    machine = at.machine
    facts = {fact.field: fact.value for fact in machine.state.facts[before:]}
    lessons = {lesson.kind: lesson for lesson in machine.state.lessons}
    dropped = lessons["ungrounded"].why.partition(":")[0].count(",") + 1 if "ungrounded" in lessons else 0
    return Found(
        right=sum(facts.get(kind, "") == value != "" for kind, value in given.values.items()),
        wrong=sum(value != given.values[kind] and value in given.text for kind, value in facts.items()),
        made_up_accepted=sum(value not in given.text for value in facts.values()),
        made_up_dropped=dropped,
        shown=shown,
        unreadable=sum(
            lesson.count for kind, lesson in lessons.items() if kind in ("unreadable", "truncated")
        ),
    )


async def perfect(request: ModelRequest, given: Letter, rng: random.Random) -> ModelAnswer:
    """Give what is in the prompt, and leave the rest empty."""
    prompt = request.messages[-1].content
    said = {kind: value if value in prompt else "" for kind, value in given.values.items()}
    return ModelAnswer(text=json.dumps(said))


async def lying(request: ModelRequest, given: Letter, rng: random.Random) -> ModelAnswer:
    """Make everything up: another value, a piece, a longer one, one with another unit, or a sentence."""
    said = {}
    for kind, value in given.values.items():
        true = value or "12.50 kg"
        said[kind] = rng.choice(
            (_value(rng, kind) + "9", true[1:], f"{true}s", f"{true[:-2]}lb", f"It is {true}, I believe")
        )
    return ModelAnswer(text=json.dumps(said))


async def reading(serve: Serve, *, letters: int) -> list[dict[str, Any]]:
    """Print who finds how much, by the length of the letter; then the model on letters that lack a value."""
    print("| letters | characters | values | by name | marked | shown | perfect reader | lies accepted |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    rows: list[dict[str, Any]] = []
    for kind in KINDS:
        for length in LENGTHS:
            rows.append(await _by_scripts(kind, length, letters=letters))
            print(
                "| {name} | {length} | {values} | {by_name:.0%} | {marked:.0%} | {shown:.0%} | {perfect:.0%} "
                "| {lies} of {values} |".format(**rows[-1]),
                flush=True,
            )
    print("\n| the model reads | values | right | wrong, but there | made up, dropped | made up, accepted |")
    print("|---|--:|--:|--:|--:|--:|")
    async with serve() as backend:

        async def model(request: ModelRequest, given: Letter, rng: random.Random) -> ModelAnswer:
            try:
                return await backend.answer(request)
            except BackendError as error:
                return ModelAnswer(text=error.failure.what)

        for length, lacks in ((LENGTHS[0], ""), (LENGTHS[1], ""), (LENGTHS[0], "fee")):
            row = await _by_model(model, length, letters=letters, lacks=lacks)
            rows.append(row)
            print(
                "| {name} | {values} | {right} | {wrong} | {dropped} | {accepted} |".format(**row), flush=True
            )
    return rows


async def _by_scripts(kind: str, length: int, *, letters: int) -> dict[str, Any]:
    by_name = marked = shown = right = lies = 0
    for seed in range(letters):
        given = letter(random.Random(seed), length, kind=kind)
        facts = {fact.field: fact.value for fact in told(given).machine.state.facts}
        named = {name for name, value in given.values.items() if facts.get(name) == value}
        by_name += len(named)
        marked += sum(value in facts.values() for name, value in given.values.items() if name not in named)
        unnamed = replace(given, values={k: v for k, v in given.values.items() if k not in named})
        found = await read(unnamed, perfect, random.Random(seed))
        shown, right = shown + found.shown, right + found.right
        lied = await read(given, lying, random.Random(seed))
        lies += lied.made_up_accepted + lied.wrong
    values = letters * len(READS)
    return {
        "name": kind,
        "length": length,
        "values": values,
        "by_name": by_name / values,
        "marked": marked / values,
        "shown": (by_name + shown) / values,
        "perfect": (by_name + right) / values,
        "lies": lies,
    }


async def _by_model(reader: Reader, length: int, *, letters: int, lacks: str) -> dict[str, Any]:
    found = [
        await read(letter(random.Random(seed), length, lacks=lacks), reader, random.Random(seed))
        for seed in range(letters)
    ]
    return {
        "name": f"{length} characters" + (f", {lacks} is not there" if lacks else ""),
        "values": letters * (len(READS) - bool(lacks)),
        "right": sum(each.right for each in found),
        "wrong": sum(each.wrong for each in found),
        "dropped": sum(each.made_up_dropped for each in found),
        "accepted": sum(each.made_up_accepted for each in found),
        "unreadable": sum(each.unreadable for each in found),
    }
