"""Information flow: what a consequential call may do after text from outside entered the prompt.

Invariants: such a call passes without a question only if the plan names its tool for this step, and its consequential
arguments are endorsed by the user's words, by trusted facts, or by a narrow extraction that the policy accepts. A
call that was made before is not endorsed again.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from nebulus.core.context import Context, Label
from nebulus.core.findings import Call
from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.usage import digest_of

Narrow: TypeAlias = Literal["integer", "number", "date", "time", "truth"]

_SPELLINGS: Mapping[Narrow, re.Pattern[str]] = MappingProxyType(
    {
        "date": re.compile(r"\d{4}-\d{2}-\d{2}"),
        "time": re.compile(r"(\d{4}-\d{2}-\d{2}[T ])?\d{2}:\d{2}(:\d{2})?"),
    }
)


class Accept(Struct, frozen=True, kw_only=True):
    """A narrow extraction that the policy accepts: `argument` of `tool`, from results of `source`.

    `kind` is the only form that the value may have; a number must be between `least` and `most`.
    """

    tool: str
    argument: str
    source: str
    kind: Narrow
    least: float = float("-inf")
    most: float = float("inf")

    def fits(self, value: Any) -> bool:
        """Whether `value` has the narrow form."""
        match self.kind:
            case "truth":
                return isinstance(value, bool)
            case "integer" | "number":
                kinds = (int,) if self.kind == "integer" else (int, float)
                is_number = isinstance(value, kinds) and not isinstance(value, bool)
                return is_number and self.least <= value <= self.most
            case "date" | "time":
                return isinstance(value, str) and _SPELLINGS[self.kind].fullmatch(value) is not None


class Flow(Struct, frozen=True, kw_only=True):
    """What information flow says about a call; there is no concern unless it `is_consequential` and `is_tainted`."""

    is_consequential: bool
    is_tainted: bool
    is_planned: bool
    is_endorsed: bool
    foreign: tuple[Label, ...] = ()
    is_repeat: bool = False


def flow_of(call: Call, spec: ToolSpec, context: Context, *, accepts: Sequence[Accept] = ()) -> Flow:
    """Return what information flow says about `call`."""
    deciding = consequential(call, spec)
    foreign = tuple(
        label
        for label in context.labels
        if label.argument in deciding and not label.is_endorsed and not _is_accepted(call, label, accepts)
    )
    labelled = {label.argument for label in context.labels}
    is_known = all(name in labelled for name in call.arguments if name in deciding)
    is_repeat = digest_of(call) in context.usage.done
    return Flow(
        is_consequential=spec.effect is not Effect.READ,
        is_tainted=context.is_tainted,
        is_planned=context.is_planned,
        is_endorsed=is_known and not foreign and not is_repeat,
        foreign=foreign,
        is_repeat=is_repeat,
    )


def consequential(call: Call, spec: ToolSpec) -> frozenset[str]:
    """Return the arguments of `call` that decide what its effect does to the world."""
    if spec.consequential:
        return frozenset(spec.consequential)
    if spec.effect is Effect.WRITE and spec.paths:
        return frozenset(spec.paths)
    return frozenset(call.arguments)


def concern(flow: Flow) -> str:
    """Return in words why a person must decide, or "" if nobody must."""
    if not (flow.is_consequential and flow.is_tainted) or (flow.is_planned and flow.is_endorsed):
        return ""
    parts = [] if flow.is_planned else ["the plan does not name this tool for this step"]
    parts += [f"{label.argument} = {label.value!r} {_whence(label)}" for label in flow.foreign]
    if flow.is_repeat:
        parts.append("the same call was made before")
    return "text from outside was read before: " + "; ".join(parts or ["an argument is not accounted for"])


def _whence(label: Label) -> str:
    places = [origin.words for origin in label.provenance.origins if origin.kind != "model"]
    if not places:
        return "appears in nothing that you said; the model wrote it"
    return f"comes from {', '.join(places)} and appears in nothing that you said"


def _is_accepted(call: Call, label: Label, accepts: Sequence[Accept]) -> bool:
    tools = {origin.ref for origin in label.provenance.origins if origin.kind == "tool"}
    return any(
        accept.tool == call.tool
        and accept.argument == label.argument
        and accept.source in tools
        and accept.fits(call.arguments[label.argument])
        for accept in accepts
    )
