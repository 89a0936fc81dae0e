"""Where the arguments of a call came from.

Invariants: a value is endorsed only by trusted text that contains all of it; labels are joined, and passing through
a model never removes one: what a model wrote after reading text from outside is untrusted, unless endorsed.
"""

from collections.abc import Iterable
from typing import Any

from nebulus.core.context import Label
from nebulus.core.findings import Call
from nebulus.core.prompt import PromptSources, Source
from nebulus.core.provenance import Origin, Provenance
from nebulus.core.text import Scalar, stands_in
from nebulus.core.tools import ToolSpec
from nebulus.guard.endorse import is_blank, leaves

VALUE_CHARS = 200
"""The longest part of a value that is shown to a person."""
CHANCE_CHARS = 3
"""The longest number that may be in a text by chance.

Source: AgentDojo's workspace suite, where the id 13 of a file is also a day that the user named."""
NOBODY = Provenance((Origin("config", "says nothing"),), is_trusted=True)


def label_all(
    call: Call, spec: ToolSpec, shown: PromptSources, *, known: Iterable[Label] = ()
) -> tuple[Label, ...]:
    """Return a label for each argument of `call`, which a model wrote after it was shown `shown`.

    `known` are the labels of the arguments that it did not write itself: they are references.
    """
    properties = spec.parameters.get("properties", {})
    of_result = {label.argument: label for label in known}
    return tuple(
        of_result.get(name) or _label(name, value, properties.get(name), shown=shown)
        for name, value in call.arguments.items()
    )


def label_of_result(argument: str, provenance: Provenance, text: str) -> Label:
    """Return the label of an argument that stands for a result: it is as far to be trusted as the result."""
    is_trusted = provenance.is_trusted
    return Label(argument, provenance, is_endorsed=is_trusted, value="" if is_trusted else _shown(text))


def untrusted(labels: Iterable[Label]) -> tuple[Provenance, ...]:
    """Return the provenance of what is neither trusted nor endorsed."""
    return tuple(label.provenance for label in labels if not label.provenance.is_trusted)


def _label(name: str, value: Any, schema: Any, *, shown: PromptSources) -> Label:
    default = schema.get("default") if isinstance(schema, dict) else None
    if is_blank(value) or (default is not None and _is_same(value, default)):
        return Label(name, NOBODY, is_endorsed=True)
    keys = set(schema.get("properties", ())) if isinstance(schema, dict) else set()
    origins: set[Origin] = set()
    foreign = ""
    for leaf in leaves(value):
        if leaf is None or leaf == "" or leaf in keys:
            continue
        holding = [source for source in shown.sources if stands_in(leaf, source.text)]
        origins.update(origin for source in holding for origin in source.provenance.origins)
        if not _is_endorsed(leaf, holding):
            foreign = foreign or _shown(leaf)
            if not holding:
                origins.add(Origin("model"))
    provenance = Provenance(tuple(sorted(origins)), is_trusted=not (shown.is_tainted and foreign))
    return Label(name, provenance, is_endorsed=not foreign, value=foreign)


def _is_endorsed(leaf: Scalar, holding: list[Source]) -> bool:
    """Whether `leaf` is there because of a trusted text among those that contain it.

    A number of a few digits is in many texts by chance; if text from outside contains it too, it is not certain that
    the user asked for it.
    """
    trusted = [source.provenance.is_trusted for source in holding]
    is_by_chance = len(str(leaf)) <= CHANCE_CHARS and str(leaf).isdigit()
    return all(trusted) and bool(trusted) if is_by_chance else any(trusted)


def _is_same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)


def _shown(leaf: Scalar) -> str:
    text = str(leaf).lower() if isinstance(leaf, bool) else str(leaf)
    return text if len(text) <= VALUE_CHARS else f"{text[:VALUE_CHARS]}… [{len(text)} characters]"
