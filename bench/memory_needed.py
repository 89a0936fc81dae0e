"""Is the needed fact there? Long chains of office work, early values needed late, at small budgets; no model.

What is needed is worded in four ways: by the plan's reference ("the contact of step 4"), by name ("the contact
of Berg4"), by words in another order, and by other words than the page's ("the mail address for Berg4"); or
four, eight or sixteen values at once, in all ways. A value counts as present when it is in the prompt, character for
character; the reader can only use what is written.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from bench.memory_course import RESERVE_TOKENS, Serve, obeyed
from bench.walk import begun
from nebulus.core.answers import ModelRequest, Usage
from nebulus.core.budget import Budget
from nebulus.core.config import RunConfig
from nebulus.core.digest import digest
from nebulus.core.plan import Goal, Plan, Step, ToolSucceeded
from nebulus.core.tiers import Tier
from nebulus.core.tools import Effect, ToolResult, ToolSpec
from nebulus.loop.machine import Machine
from nebulus.memory.record import needs_store, stored_result
from nebulus.ports.backend import ModelBackend

BUDGETS = (3600, 2200, 1536, 1024)
"""Source: the budgets of a peer's published eval of tiered compaction."""
LENGTHS = (10, 30, 100)
WAYS = ("reference", "name", "words", "other words")
AT_ONCE = {"four at once": 4, "eight at once": 8, "sixteen at once": 16}
WORDINGS = (*WAYS, *AT_ONCE)
OTHER_WORDS = {
    "contact": "mail address",
    "contract": "number of the agreement",
    "limit": "most they may spend",
}
KEY = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
TOOLS = tuple(
    ToolSpec(name=name, description=description, parameters=KEY, effect=Effect.READ)
    for name, description in (
        ("read_account", "Read the page of an account"),
        ("check_stock", "Check what is in stock"),
        ("write_letter", "Write a letter to somebody"),
        ("book_order", "Book an order"),
    )
)
CONSTRAINTS = (
    "never write to anybody who is not named in an account",
    "amounts stay as they stand in the contract",
    "no order above the limit of its account",
)
_NAMES_TEXT = (
    "Berg Falk Lind Holm Dahl Ek Strand Sund Vik Moe Aas Lie Ruud Foss Hagen Skog Nygaard Bakke Eide Tveit"
)
_WORDS_TEXT = (
    "the report shows that most parcels came on time while some were held and sent again after a call"
)

_NAMES, WORDS = _NAMES_TEXT.split(), _WORDS_TEXT.split()


class Page(Struct, frozen=True):
    """The page of one account."""

    name: str
    text: str
    fields: dict[str, str]


class Chain(Struct, frozen=True):
    """Steps in order, each with the result of its tool and what it needs."""

    steps: tuple[Step, ...]
    results: tuple[str, ...]
    needs: tuple[tuple[str, ...], ...]


def chain(length: int, *, wording: str, seed: int) -> Chain:
    """Return a chain: a third reads pages of 1 to 6 KB, a third does small work, the last needs a value of the first."""
    rng = random.Random(seed)
    early = max(2, length // 3)
    pages = [_page(rng, number) for number in range(1, early + 1)]
    steps, results, needs = [], [], []
    for number in range(1, length + 1):
        need: tuple[str, ...] = ()
        if number <= early:
            page = pages[number - 1]
            text, tool, result = f"read_account about {page.name}", "read_account", page.text
        elif number <= length - early:
            text, tool, result = (
                f"check_stock about part {rng.randint(100, 999)}",
                "check_stock",
                _small(rng),
            )
        else:
            text, need = _needing(rng, pages, wording)
            tool, result = "write_letter", _small(rng)
        steps.append(Step(number=number, text=text, tools=(tool,), checks=(ToolSucceeded(tool),)))
        results.append(result)
        needs.append(need)
    return Chain(tuple(steps), tuple(results), tuple(needs))


def _page(rng: random.Random, number: int) -> Page:
    name = f"{rng.choice(_NAMES)}{number}"
    fields = {
        "contact": f"{rng.choice(_NAMES).lower()}.{rng.randint(10, 99)}@{name.lower()}.example",
        "contract": f"K-{rng.randint(1000, 9999)}-{number}",
        "limit": f"{rng.randint(100, 9000)}.{rng.randint(10, 99)} EUR",
    }
    head = [f"Account: {name} AS", *(f"{label.capitalize()}: {value}" for label, value in fields.items())]
    filler = [" ".join(rng.choices(WORDS, k=14)) + "." for _ in range(rng.randint(8, 60))]
    place = rng.randint(0, len(filler))
    return Page(name, "\n".join([*filler[:place], *head, *filler[place:]]), fields)


def _small(rng: random.Random) -> str:
    return f'{{"result": "{rng.choice(("ok", "done", "booked"))} {rng.randint(1000, 9999)}"}}'


def _needing(rng: random.Random, pages: list[Page], wording: str) -> tuple[str, tuple[str, ...]]:
    """The text of a step, and the values of early pages that it needs."""
    ways = [WAYS[number % len(WAYS)] for number in range(AT_ONCE.get(wording, 0))] or [wording]
    known = [(source, label) for source in range(len(pages)) for label in sorted(pages[source].fields)]
    asked, values = [], []
    for way, (source, label) in zip(ways, rng.sample(known, min(len(ways), len(known))), strict=False):
        page = pages[source]
        asked.append(
            {
                "reference": f"the {label} of step {source + 1}",
                "name": f"the {label} of {page.name}",
                "words": f"whatever {label} is noted for the {page.name} account",
                "other words": f"the {OTHER_WORDS[label]} for {page.name}",
            }[way]
        )
        values.append(page.fields[label])
    return f"write_letter about {' and '.join(asked)}", tuple(values)


class Rate(Struct, frozen=True):
    """What a server reports for a prompt: tokens of template and tools, and tokens a byte of the messages."""

    fixed: float = 200.0
    a_byte: float = 0.4


def prompts(given: Chain, budget: int, rate: Rate) -> Iterator[tuple[ModelRequest, tuple[str, ...], Machine]]:
    """Yield what each step of `given` is shown within `budget` tokens, at the tokenizer's rate."""
    tier = Tier(name="nano", window_tokens=budget + RESERVE_TOKENS, reserve_tokens=RESERVE_TOKENS)
    config = RunConfig(tools=TOOLS, tiers=(tier,), budget=Budget(model_calls=0, tool_calls=0))
    goal = Goal(
        text="Keep the accounts of the north in order and answer their letters.", constraints=CONSTRAINTS
    )
    at = begun(config, goal, Plan(given.steps))
    for step, result, need in zip(given.steps, given.results, given.needs, strict=True):
        request = at.request
        yield request, need, at.machine
        size = sum(len(message.content.encode()) for message in request.messages)
        said = request.messages[-1].content.rpartition("about ")[2]
        call = json.dumps({"name": step.tools[0], "arguments": {"text": said}})
        usage = Usage(prompt_tokens=int(rate.fixed + rate.a_byte * size))
        at = obeyed(at, f"<tool_call>\n{call}\n</tool_call>", _recorded(result), usage=usage)


def _recorded(text: str) -> ToolResult:
    if needs_store(text):
        return stored_result(text, address=digest(text), is_trusted=True)
    return ToolResult(text=text, fields={"result": text.split('"')[3]})


async def needed(serve: Serve, *, chains: int) -> list[dict[str, Any]]:
    """Measure every cell on one server: only its tokenizer is asked."""
    async with serve() as backend:
        return await _needed(backend, chains=chains)


async def _needed(backend: ModelBackend, *, chains: int) -> list[dict[str, Any]]:
    """Print the share of steps whose needed value is in the prompt, for each length, wording and budget."""
    print(
        "| steps | worded by | values needed | "
        + " | ".join(f"{budget} tokens" for budget in BUDGETS)
        + " | largest prompt |"
    )
    print("|--:|---|--:|" + "--:|" * (len(BUDGETS) + 1))
    rows: list[dict[str, Any]] = []
    rate, over = await _rate(backend), 0
    for length in LENGTHS:
        for wording in WORDINGS:
            row: dict[str, Any] = {"steps": length, "wording": wording}
            largest = 0
            for budget in BUDGETS:
                there = total = 0
                for seed in range(chains):
                    for request, need, _ in prompts(chain(length, wording=wording, seed=seed), budget, rate):
                        if not need:
                            continue
                        total += len(need)
                        there += sum(value in request.messages[-1].content for value in need)
                        tokens = (await backend.count(request)).tokens
                        largest = max(largest, tokens)
                        over += tokens > budget
                row[str(budget)] = there / total
                row["values"] = total
            row["largest"] = largest
            rows.append(row)
            cells = " | ".join(f"{100 * row[str(budget)]:.1f} %" for budget in BUDGETS)
            print(f"| {length} | {wording} | {row['values']} | {cells} | {largest} |", flush=True)
    print(f"\nprompts above their budget, counted exactly: {over}")
    return rows


async def _rate(backend: ModelBackend) -> Rate:
    """How the model's own tokenizer counts a short prompt and a long one."""
    made = [request for request, _, _ in prompts(chain(30, wording="words", seed=0), 4000, Rate())]
    sizes = [sum(len(message.content.encode()) for message in request.messages) for request in made]
    short, long = (made[sizes.index(size)] for size in (min(sizes), max(sizes)))
    fewest, most = [(await backend.count(request)).tokens for request in (short, long)]
    a_byte = (most - fewest) / (max(sizes) - min(sizes))
    return Rate(fewest - a_byte * min(sizes), a_byte)
