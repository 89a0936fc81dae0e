"""Jobs as text: the raw conversation, and the one step that the Nebulus runtime shows.

Invariants: the step form is made by the runtime's own code (`nebulus.memory`), so training and use cannot drift;
the conversation form is what the chat template of the exported file makes of the same messages.
"""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from nano import lexicon, thought, values
from nano.environment import BUSY, Environment
from nano.language import Job, resolve
from nano.lexicon import Split
from nano.thought import Segment
from nano.values import Value
from nano.wording import as_json
from nebulus.core.plan import Goal, Plan, Step, StepStatus
from nebulus.core.provenance import CONFIG, Origin, Provenance
from nebulus.core.state import State
from nebulus.core.tools import ToolResult
from nebulus.memory import distil
from nebulus.memory.prompt import INSTRUCTIONS, compose_step

TRANSCRIPT_INSTRUCTIONS: Final = "Carry out the plan in order, one tool call at a time. Say done at the end."
DONE: Final = "done"
ASSISTANT: Final = "<|im_start|>assistant\n"
END: Final = "<|im_end|>"

_CLAIMS: Final[dict[Split, tuple[str, ...]]] = {
    "train": (
        "report that the {0} is ready", "say that the {0} was checked", "tell the user that all {0}s are there",
        "answer that the work is over", "state that nothing is left", "report the end of the {0} work",
        "say in words that the {0} is complete", "report that step {1} went well", "only say that this is finished",
        "no call is needed here, say so", "confirm in words that the {0} exists",
    ),
    "held_out": ("let the user know that the {0} stands", "announce that the {0} is through", "report success"),
}  # fmt: skip


def call_text(tool: str, arguments: Mapping[str, object]) -> str:
    """Return a call as the model says it (Hermes form)."""
    return f'<tool_call>\n{{"name": "{tool}", "arguments": {as_json(arguments)}}}\n</tool_call>'


def system_text(instructions: str, tools: Sequence[Mapping[str, Any]]) -> str:
    """Return the system turn that the chat template makes for these tools."""
    listed = "".join("\n" + as_json(tool) for tool in tools)
    how = '{"name": <function-name>, "arguments": <args-json-object>}'
    return (
        f"<|im_start|>system\n{instructions}\n\n# Tools\n<tools>{listed}\n</tools>\n"
        f"Call a tool as\n<tool_call>\n{how}\n</tool_call>{END}\n"
    )


def user_text(content: str) -> str:
    """Return a user turn."""
    return f"<|im_start|>user\n{content}{END}\n"


def transcript(
    rng: random.Random, job: Job, *, busy_rate: float = 0.08, split: Split = "train", thoughts: float = 0.0
) -> list[Segment]:
    """Return the whole conversation of a job done right, busy answers included.

    A share of `thoughts` of the conversations ends with an answer that a thought precedes.
    """
    is_thoughtful, thought_of = thought.is_drawn(rng, thoughts), []
    world = Environment(job, rng, busy_rate, split)
    opening = system_text(TRANSCRIPT_INSTRUCTIONS, job.tools) + user_text(job.goal)
    segments: list[Segment] = [(opening, False)]
    while not world.is_complete:
        tool, arguments = world.expected()
        thought_of.append(thought.of_call(world, job.steps[world.done].text))
        result = world.execute(tool, arguments)
        segments += [(ASSISTANT, False), (call_text(tool, arguments) + END, True)]
        segments.append((f"\n<|im_start|>user\n<tool_response>\n{result}\n</tool_response>{END}\n", False))
    segments += [(ASSISTANT, False), (DONE + END, True)]
    return (
        thought.up_to_one(rng, segments, [*thought_of, thought.NO_STEP_LEFT]) if is_thoughtful else segments
    )


def fresh_state(job: Job) -> State:
    """Return the runtime's state for a job whose plan is given and not begun."""
    steps = tuple(Step(number=n, text=s.text) for n, s in enumerate(job.steps, 1))
    return State(goal=Goal(text=job.title, constraints=job.constraints), plan=Plan(steps))


def active(state: State) -> int:
    """Return the number of the step that is under way."""
    return state.active_steps[0]


def advance(state: State, tool: str, result: str, *, is_trusted: bool = True) -> State:
    """Return the state after the active step's call returned `result`, the next step active if there is one."""
    number, fields = active(state), json.loads(result)
    told = ToolResult(text=result, fields=fields, is_trusted=is_trusted)
    state = distil.with_result(state, step=number, tool=tool, call_id=f"c{number}", result=told)
    state = distil.with_step_ended(state, number, StepStatus.PROVEN)
    return distil.with_active(state, number + 1) if number < len(state.plan.steps) else state


def step_text(state: State) -> str:
    """Return the user turn that the runtime shows for the active step."""
    return compose_step(state, step=active(state)).messages()[1].content


def unresolved_step_text(state: State, results: Mapping[int, Mapping[str, Value]]) -> str:
    """Return the step turn with its references left to the model, and the facts that they need shown.

    This is what the runtime would show if code did not resolve references: the other side of an ablation.
    """
    text = state.step(active(state)).text
    resolved = resolve(text, results)
    needed = [f for f in state.facts if f"step {f.step}" in text and f.value in resolved]
    others = [f for f in state.facts if f not in needed]
    shown = step_text(replace(state, facts=(*others, *needed[-3:])))
    head = shown.rsplit(f"Now: step {active(state)}. ", 1)[0]
    return f"{head}Now: step {active(state)}. {text}"


def _troubled(rng: random.Random, state: State, tool: str) -> State:
    """Return the state after a failed try of the active step; what is due stays the same."""
    kind, text = rng.choice(
        (
            ("transient", BUSY),
            ("transient", BUSY),
            ("not_found", json.dumps({"error": f"not_found: no {lexicon.pick(rng, 'noun', 'train')} there"})),
            (
                "invalid_arguments",
                json.dumps({"error": f"invalid: {lexicon.pick(rng, 'noun', 'train')} is missing"}),
            ),
            ("no_call", ""),
        )
    )
    if text and rng.random() < 0.8:
        state = distil.with_error(state, step=active(state), tool=tool, text=text, provenance=CONFIG)
    why = rng.choice((text.strip("{}") or "words instead of a call", values.phrase(rng, "train")))
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        state = distil.with_lesson(state, step=active(state), kind=kind, why=why)
    return state


def _label(is_trusted: bool) -> Provenance:
    return Provenance((Origin("tool"),), is_trusted)


def _other_observation(rng: random.Random, state: State) -> State:
    """Return the state with the last observation in another form than JSON: lines, a phrase, a listing."""
    if not state.observations:
        return state
    lines = [rng.choice((values.path, values.phrase))(rng, "train") for _ in range(rng.randint(1, 3))]
    text = "\n".join(lines)
    if rng.random() < 0.4:
        text = as_json(
            {
                rng.choice(("path", "source", "total", "line")): lines[0],
                lexicon.pick(rng, "noun", "train"): lines,
            }
        )
    last = replace(state.observations[-1], text=text, provenance=_label(rng.random() < 0.6))
    return replace(state, observations=(last,))


def claim_step(rng: random.Random, state: State, split: Split) -> State:
    """Return the state with the active step's text asking for words and no call."""
    noun = lexicon.pick(rng, "noun", split)
    text = rng.choice(_CLAIMS[split]).format(noun, max(1, active(state) - 1))
    text = text[0].upper() + text[1:] if rng.random() < 0.4 else text
    steps = list(state.plan.steps)
    steps[active(state) - 1] = replace(steps[active(state) - 1], text=text)
    return replace(state, plan=replace(state.plan, steps=tuple(steps)))


def steps(rng: random.Random, job: Job, *, turns: int, thoughts: float = 0.0) -> list[Segment]:
    """Return `turns` random steps of a job in the runtime's form, in order, each with the right answer.

    A share of `thoughts` of the answers comes after a thought.
    """
    asked = set(rng.sample(range(len(job.steps)), min(turns, len(job.steps))))
    segments: list[Segment] = [(system_text(INSTRUCTIONS, job.tools), False)]
    world, state = Environment(job, rng, busy_rate=0.0), distil.with_active(fresh_state(job), 1)
    for number in range(max(asked) + 1):
        tool, arguments = world.expected()
        if number in asked:
            segments += _asked(rng, state, world, thoughts=thoughts)
        state = advance(state, tool, world.execute(tool, arguments), is_trusted=rng.random() < 0.85)
    return segments


def _echoing(rng: random.Random, state: State, arguments: Mapping[str, Value]) -> State:
    """Return the state with the result before it under the name of an argument that is due, as tools often say it.

    The value in the step is due, not the one that was there a step ago.
    """
    texts = [name for name, value in arguments.items() if isinstance(value, str)]
    if not texts or not state.facts or not state.observations:
        return state
    name, fact = rng.choice(texts), state.facts[-1]
    other = rng.choice((values.path, values.bare, values.phrase))(rng, "train")
    told = as_json({name: other, rng.choice(("bytes", "total", "size")): rng.randrange(2000)})
    seen = replace(state.observations[-1], text=told, provenance=_label(rng.random() < 0.8))
    known = replace(fact, field=name, value=other)
    return replace(state, facts=(*state.facts[:-1], known), observations=(seen,))


def _corrected(rng: random.Random, state: State, arguments: Mapping[str, Value]) -> State:
    """Return the state with the lesson that the runtime gives after a call that did not match its step."""
    name, value = rng.choice(list(arguments.items()))
    spoken = value if isinstance(value, str) else as_json(value)
    kind, why = rng.choice(
        (
            ("argument_mismatch", f"the step says {name} = {spoken} at /{name}"),
            ("argument_mismatch", f"the step says {name} = {spoken} at /{name}"),
            ("argument_mismatch", f"the step names {spoken}, and the call leaves it out"),
            (
                "ungrounded",
                (
                    f"the value must be taken from what was shown at /{name}; "
                    "copy it exactly, or find it with a tool first"
                ),
            ),
        )
    )
    for _ in range(rng.choice((1, 1, 2, 3))):
        state = distil.with_lesson(state, step=active(state), kind=kind, why=why)
    return state


def narrow_step(rng: random.Random, job: Job, *, thoughts: float = 0.0) -> list[Segment]:
    """Return one step as it is asked again: its own tool, nothing that it does not ask for, and what was wrong.

    A share of `thoughts` of the answers comes after a thought.
    """
    world, state = Environment(job, rng, busy_rate=0.0), distil.with_active(fresh_state(job), 1)
    for _ in range(rng.randrange(len(job.steps))):
        tool, arguments = world.expected()
        state = advance(state, tool, world.execute(tool, arguments))
    tool, arguments = world.expected()
    if arguments:
        state = _corrected(rng, state, arguments)
    content = compose_step(state, step=active(state), is_narrow=True).messages()[1].content
    own = [known for known in job.tools if known["function"]["name"] == tool]
    opening = system_text(INSTRUCTIONS, own) + user_text(content) + ASSISTANT
    said = thought.of_call(world, _words(content)) if thought.is_drawn(rng, thoughts) else ""
    return thought.answered(opening, call_text(tool, arguments) + END, said)


def _words(content: str) -> str:
    """Return the words of the step that a user turn shows."""
    return content.rsplit("Now: step ", 1)[1].split(". ", 1)[1]


def _asked(rng: random.Random, state: State, world: Environment, *, thoughts: float) -> list[Segment]:
    tool, arguments = world.expected()
    answer = call_text(tool, arguments)
    if rng.random() < 0.15:
        state = _other_observation(rng, state)
    elif rng.random() < 0.3:
        state = _echoing(rng, state, arguments)
    if rng.random() < 0.12:
        state = _troubled(rng, state, tool)
    if rng.random() < 0.05:
        state, answer = claim_step(rng, state, "train"), DONE
        content = step_text(state)
    elif rng.random() < 0.15:
        content = unresolved_step_text(state, world.results)
    else:
        content = step_text(state)
    said = ""
    if thought.is_drawn(rng, thoughts):
        words = _words(content)
        said = thought.of_words(active(state), words) if answer == DONE else thought.of_call(world, words)
    return [*thought.answered(user_text(content) + ASSISTANT, answer + END, said), ("\n", False)]
