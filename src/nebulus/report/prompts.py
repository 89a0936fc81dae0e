"""The requests to a run's models and their answers: prompts composed again from the journal, answers verbatim.

A journal contains no prompts: each is a function of what was recorded before it. A prompt composed by another version
of Nebulus can differ from what was sent; the recorded size shows whether it does.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.answers import Form, FreeForm, Message, ModelAnswer, OneCall, Shape
from nebulus.core.commands import AskModel
from nebulus.core.events import Event
from nebulus.core.failure import Failure
from nebulus.core.tiers import StepKind
from nebulus.core.tools import ToolSpec
from nebulus.loop.machine import Machine, new_machine
from nebulus.loop.pending import commands
from nebulus.loop.request import ComposedRequest, compose
from nebulus.loop.transitions import NO_CONFIG, feed
from nebulus.memory.recall import Index
from nebulus.report.text import Line, format_value, one_line, safe_lines


class Asked(Struct, frozen=True, kw_only=True):
    """One request to a model, with the prompt as it is composed now, and the answer.

    `position` is that of the answer in the journal.
    """

    position: int
    step: int
    kind: StepKind
    tier: str
    call_id: str
    messages: tuple[Message, ...]
    offered: tuple[ToolSpec, ...]
    form: Form
    size_bytes: int
    """The size of the prompt as composed now."""
    sent_bytes: int = 0
    """The size of the prompt that was sent; 0 if it was not recorded because no answer came."""
    answer: ModelAnswer | None = None
    failure: Failure | None = None

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools that were offered, in order."""
        return tuple(tool.name for tool in self.offered)

    @property
    def is_same_size(self) -> bool:
        """Whether the prompt composed now is as large as the one that was sent, if its size was recorded."""
        return self.sent_bytes in (0, self.size_bytes)


def asked_models(events: Iterable[Event]) -> Iterator[Asked]:
    """Yield every request of a run that was answered or that failed, in order.

    Raises:
        IllegalEventError: the events do not fit the machine.
    """
    machine, index = new_machine(NO_CONFIG), Index()
    composed: dict[tuple[int, str], ComposedRequest] = {}
    for event in events:
        machine = feed(machine, event)
        match event:
            case e.RouteChosen():
                index = index.covering(machine.state.facts)
                composed[event.step, event.call_id] = compose(machine, _question(machine, event), index)
            case e.ModelAnswered() | e.ModelFailed():
                yield _asked(event, composed.pop((event.step, event.call_id)), machine.position)
            case _:
                continue


def _question(machine: Machine, event: e.RouteChosen) -> AskModel:
    """Return the request that a choice of tier leads to."""
    for command in commands(machine):
        if isinstance(command, AskModel) and (command.step, command.call_id) == (event.step, event.call_id):
            return command
    raise LookupError(f"no model is asked about step {event.step} after position {machine.position}")


def _asked(event: e.ModelAnswered | e.ModelFailed, composed: ComposedRequest, position: int) -> Asked:
    asked = Asked(
        position=position,
        step=event.step,
        kind=event.kind,
        tier=event.tier,
        call_id=event.call_id,
        messages=composed.request.messages,
        offered=composed.request.tools,
        form=composed.request.form,
        size_bytes=composed.size_bytes,
    )
    if isinstance(event, e.ModelAnswered):
        return replace(asked, answer=event.answer, sent_bytes=event.prompt_bytes)
    return replace(asked, failure=event.failure)


def asked_lines(asked: Asked, *, prompt: bool, answer: bool) -> list[Line]:
    """Return one request for a person: the prompt, the answer, or both."""
    about = f"step {asked.step}" if asked.step else "no step"
    call = f", reading the result of {asked.call_id}" if asked.call_id else ""
    lines = [Line(f"#{asked.position}  {about}, {asked.kind.value}, tier {asked.tier}{call}", "bold")]
    if prompt:
        lines += _prompt(asked)
    if answer:
        lines += _answer(asked)
    return [*lines, Line("")]


def all_lines(asked: Iterable[Asked], *, prompt: bool, answer: bool) -> Iterator[Line]:
    """Return every request of a run, as `asked_lines`."""
    return (line for one in asked for line in asked_lines(one, prompt=prompt, answer=answer))


def _prompt(asked: Asked) -> list[Line]:
    size = f"{asked.size_bytes:,} bytes"
    if not asked.is_same_size:
        size += f"; {asked.sent_bytes:,} bytes were sent, so this is not what was sent"
    lines = [Line(f"  prompt, recomposed from the journal: {size}", "dim")]
    for message in asked.messages:
        lines.append(Line(f"  [{message.role}]", "cyan"))
        lines += _block(message.content)
        lines += [Line(f"    call {call.name} {one_line(call.arguments, 400)}") for call in message.calls]
    lines.append(Line(f"  tools: {', '.join(asked.tools) or 'none'}; form: {_form(asked.form)}", "dim"))
    return lines


def _answer(asked: Asked) -> list[Line]:
    if asked.answer is None:
        return [Line(f"  no answer: {asked.failure.sentence() if asked.failure else 'unknown'}", "red")]
    answer = asked.answer
    lines = [Line(f"  answer of {answer.model or asked.tier}, ended by {answer.finish.value}", "dim")]
    if answer.reasoning:
        lines += [Line("  [reasoning]", "cyan"), *_block(answer.reasoning)]
    if answer.text:
        lines += [Line("  [text]", "cyan"), *_block(answer.text)]
    lines += [Line(f"  [call] {call.name} {one_line(call.arguments, 2000)}", "cyan") for call in answer.calls]
    return lines


def _block(text: str) -> list[Line]:
    return [Line(f"    {line}") for line in safe_lines(text)]


def _form(form: Form) -> str:
    match form:
        case FreeForm():
            return "free"
        case OneCall(tool):
            return f"one call of {tool}" if tool else "one call"
        case Shape(schema):
            return f"JSON of {one_line(format_value(schema), 400)}"


def asked_row(asked: Asked, *, prompt: bool, answer: bool) -> dict[str, Any]:
    """Return one request for a program."""
    row: dict[str, Any] = {
        "position": asked.position,
        "step": asked.step,
        "kind": asked.kind,
        "tier": asked.tier,
        "call_id": asked.call_id,
    }
    if prompt:
        row["prompt"] = {
            "is_recomposed": True,
            "is_same_size": asked.is_same_size,
            "messages": asked.messages,
            "tools": asked.tools,
            "form": asked.form,
        }
    if answer:
        row["answer"], row["failure"] = asked.answer, asked.failure
    return row
