"""Measures a GGUF file through llama.cpp's server: the share of right single calls.

    python -m nano.evaluate src/nebulus/data/nano.gguf --episodes 200 --json

Every question is independent: the conversation before it is right, and only the next call is asked for.
Invariants: tool names are never those of training; a call is right when tool, arguments and types are exactly the due
ones; shares come with 95 % intervals; temperature is 0.
"""

import argparse
import http.client
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from nano import render
from nano.environment import Environment
from nano.language import Job, file_job, make_job
from nano.serve import served
from nano.wording import as_json
from nebulus.memory import distil
from nebulus.memory.prompt import INSTRUCTIONS

Message: TypeAlias = dict[str, Any]
Form: TypeAlias = Literal["free", "any tool", "one tool"]
"""Free text, or a call held by schema: of any offered tool, or of the one that the step names (as the
runtime asks when a step names one)."""

FORMS: Final[tuple[Form, ...]] = ("free", "any tool", "one tool")
MOST_TOKENS: Final = 160
PLAN_STEPS: Final = 6
DEPTHS: Final = (1, 2, 4, 8, 16)
_CALL: Final = re.compile(r"\{.*\}", re.DOTALL)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share; (0, 1) for no trials.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953, eq. 4 without continuity correction.
    """
    if not trials:
        return 0.0, 1.0
    z, p = 1.959964, successes / trials
    middle = p + z * z / (2 * trials)
    spread = z * (p * (1 - p) / trials + z * z / (4 * trials * trials)) ** 0.5
    return max(0.0, (middle - spread) / (1 + z * z / trials)), min(
        1.0, (middle + spread) / (1 + z * z / trials)
    )


@dataclass(frozen=True, slots=True)
class Question:
    """Messages, the tools offered, and the due call (an empty tool: words alone are right)."""

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...]
    tool: str
    arguments: Mapping[str, object]


@dataclass(slots=True)
class Cell:
    """The score of one kind of question in one form, and examples of what went wrong."""

    name: str
    form: Form
    right: int = 0
    asked: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the score as plain data, with its interval."""
        low, high = (round(x, 3) for x in wilson(self.right, self.asked))
        share = round(self.right / max(1, self.asked), 3)
        what = {"cell": self.name, "form": self.form, "right": self.right, "asked": self.asked}
        return what | {"share": share, "low": low, "high": high, "wrong": dict(self.wrong)}


def call_schema(tools: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of a call of one of the tools, in the form that the model learned."""
    options = [
        {
            "type": "object",
            "properties": {
                "name": {"const": tool["function"]["name"]},
                "arguments": dict(tool["function"]["parameters"], additionalProperties=False),
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    spelling = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
    return {"anyOf": options, "x-guidance": spelling}


def step_question(job: Job, rng: random.Random, number: int, *, is_resolved: bool = True) -> Question:
    """Return the question for step `number` as the Nebulus runtime shows it."""
    world = Environment(job, rng, busy_rate=0.0, split="held_out")
    state = distil.with_active(render.fresh_state(job), 1)
    while world.done < number - 1:
        tool, arguments = world.expected()
        state = render.advance(state, tool, world.execute(tool, arguments))
    text = render.step_text(state) if is_resolved else render.unresolved_step_text(state, world.results)
    messages = ({"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": text})
    return Question(messages, job.tools, *world.expected())


def transcript_question(job: Job, rng: random.Random, number: int) -> Question:
    """Return the question for step `number` as the raw conversation shows it."""
    world = Environment(job, rng, busy_rate=0.0, split="held_out")
    messages: list[Message] = [
        {"role": "system", "content": render.TRANSCRIPT_INSTRUCTIONS},
        {"role": "user", "content": job.goal},
    ]
    while world.done < number - 1:
        tool, arguments = world.expected()
        call = {"name": tool, "arguments": json.dumps(arguments)}
        result = world.execute(tool, arguments)
        call_id = f"c{world.done}"
        messages += [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": call_id, "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": call_id, "content": result},
        ]
    return Question(tuple(messages), job.tools, *world.expected())


def claim_question(job: Job, rng: random.Random) -> Question:
    """Return a step that asks for words and no call."""
    state = distil.with_active(render.fresh_state(job), 1)
    text = render.step_text(render.claim_step(rng, state, "held_out"))
    messages = ({"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": text})
    return Question(messages, job.tools, "", {})


class Client:
    """Asks a llama.cpp server, with the call's form free or held by the tools' schemas."""

    def __init__(self, url: str) -> None:
        self.host = url.removeprefix("http://")

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Return the answer to a request. Raises: RuntimeError for a refusal."""
        server = http.client.HTTPConnection(self.host, timeout=120)
        server.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = server.getresponse()
        found: dict[str, Any] = json.load(answer)
        server.close()
        if answer.status != 200:
            raise RuntimeError(f"the server answered {answer.status} to {path}: {found}")
        return found

    def answer(self, question: Question, form: Form) -> str:
        """Return what the model says in the form."""
        asked = {"messages": question.messages, "tools": question.tools}
        prompt = self.post("/apply-template", asked)["prompt"]
        body: dict[str, object] = {"prompt": prompt, "n_predict": MOST_TOKENS, "temperature": 0}
        if form != "free":
            allowed = [
                t for t in question.tools if form == "any tool" or t["function"]["name"] == question.tool
            ]
            body |= {"prompt": prompt + "<tool_call>\n", "json_schema": call_schema(allowed)}
        said: str = self.post("/completion", body)["content"]
        return said


def judge(question: Question, said: str) -> str:
    """Return an empty string for a right answer, else what is wrong: form, tool, keys or values."""
    found = _CALL.search(said)
    if not question.tool:
        return "" if found is None and said.strip() else "called"
    try:
        call = json.loads(found[0]) if found else None
    except ValueError:
        call = None
    if not isinstance(call, dict) or not isinstance(call.get("arguments"), dict):
        return "form"
    if call.get("name") != question.tool:
        return "tool"
    if list(call["arguments"]) != list(question.arguments):
        return "keys"
    same = as_json(call["arguments"]) == as_json(dict(question.arguments))
    return "" if same else "values"


Maker: TypeAlias = Callable[[random.Random], Question]


def cells() -> dict[str, Maker]:
    """Return every kind of question by its name."""

    def middle(rng: random.Random) -> int:
        return rng.randint(1, PLAN_STEPS)

    made: dict[str, Maker] = {
        "step, seen wordings": lambda r: step_question(
            make_job(r, PLAN_STEPS, "held_out", wordings="train"), r, middle(r)
        ),
        "step, unseen wordings": lambda r: step_question(make_job(r, PLAN_STEPS, "held_out"), r, middle(r)),
        "step, file tools, seen wordings": lambda r: step_question(
            file_job(r, PLAN_STEPS, wordings="train"), r, middle(r)
        ),
        "step, file tools, unseen wordings": lambda r: step_question(
            file_job(r, PLAN_STEPS, wordings="held_out"), r, middle(r)
        ),
        "step, references unresolved": lambda r: step_question(
            make_job(r, PLAN_STEPS, "held_out", wordings="train"), r, middle(r), is_resolved=False
        ),
        "step that asks for words": lambda r: claim_question(make_job(r, 1, "held_out"), r),
    }
    for depth in DEPTHS:
        made |= {f"depth {depth}, {kind}": _at_depth(depth, ask) for kind, ask in _KINDS.items()}
    return made


_KINDS: Final[dict[str, Callable[[Job, random.Random, int], Question]]] = {
    "transcript": transcript_question,
    "step": step_question,
}


def forms_of(name: str) -> tuple[Form, ...]:
    """Return the forms in which a kind of question is asked."""
    if "words" in name.split():
        return FORMS[:1]
    return FORMS[:2] if name.startswith("depth") else FORMS


def _at_depth(depth: int, ask: Callable[[Job, random.Random, int], Question]) -> Maker:
    return lambda r: ask(make_job(r, depth, "held_out", wordings="train"), r, depth)


def measure(client: Client, name: str, make: Maker, *, episodes: int, form: Form) -> Cell:
    """Return the score of one cell; the questions depend on the cell's name and number alone."""
    cell = Cell(name, form)
    for episode in range(episodes):
        question = make(random.Random(f"{name} {episode}"))
        said = client.answer(question, form)
        why = judge(question, said)
        cell.asked += 1
        cell.right += not why
        if why:
            cell.wrong[why] += 1
            shown = question.messages[-1]["content"].rsplit("\n", 1)[-1]
            cell.samples.append(
                f"{why}: {shown}\n    due {question.tool} {dict(question.arguments)}\n    said {said!r}"
            )
    return cell


def main() -> None:
    """Print a table of all cells, or JSON lines; `--wrong` shows what went wrong on standard error."""
    parser = argparse.ArgumentParser(prog="python -m nano.evaluate", description=main.__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--only", default="", help="cells whose name contains this")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--wrong", type=int, default=0, metavar="N", help="show N wrong answers a cell")
    options = parser.parse_args()
    with served(options.model) as url:
        client = Client(url)
        for name, make in cells().items():
            if options.only not in name:
                continue
            for form in forms_of(name):
                cell = measure(client, name, make, episodes=options.episodes, form=form)
                row = cell.as_dict()
                line = "{cell:36} {form:12} {right:4}/{asked:<4} {share:.3f} [{low:.3f}, {high:.3f}] {wrong}".format(
                    **row
                )
                print(json.dumps(row) if options.json else line, flush=True)
                print(
                    *cell.samples[: options.wrong], sep="\n", end="\n" * bool(options.wrong), file=sys.stderr
                )


if __name__ == "__main__":
    main()
