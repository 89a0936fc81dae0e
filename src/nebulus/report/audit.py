"""The audit of a run: each verdict with the call that was judged, where each value came from, and under which policy.

Invariant: it reports what was recorded at the time of the decision; nothing is judged again.
"""

import textwrap
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, assert_never

import msgspec

from nebulus.core.context import Label
from nebulus.core.provenance import Origin
from nebulus.core.text import counted
from nebulus.core.unreadable import UNREADABLE
from nebulus.report.run import Decided, RunReport, VerdictReport
from nebulus.report.text import Line, format_value, one_line, safe

WIDTH = 80
"""The width of a narrow but common terminal, in characters."""
_MARGIN, _NAMES = 7, 10
_DIGEST_DIGITS = 16
_SAID: Mapping[Decided, tuple[str, str]] = MappingProxyType(
    {
        "allow": ("allowed", ""),
        "refuse": ("refused", "red"),
        "ask": ("asked", "magenta"),
        "yes": ("yes", "green"),
        "no": ("no", "red"),
        "absent": ("no answer", "yellow"),
    }
)


def audit_lines(report: RunReport) -> list[Line]:
    """Return every verdict of a run as a block of lines, at most `WIDTH` characters wide."""
    count = counted(len(report.verdicts), "verdict")
    lines = [Line(f"Run {safe(report.run_id)}: {count}", "bold")]
    for item in report.verdicts:
        lines += [Line(""), *_block(item)]
    policies = sorted({item.policy_digest for item in report.verdicts if item.policy_digest})
    return [*lines, *(Line(text, "dim") for digest in policies for text in ("", f"policy {digest}"))]


def audit_rows(report: RunReport) -> list[dict[str, Any]]:
    """Return every verdict of a run for a program: each with all its keys."""
    return [
        {
            "position": item.position,
            "step": item.step,
            "tool": item.call.tool,
            "arguments": _arguments(item),
            "verdict": item.verdict,
            "rule": item.rule,
            "reason": item.reason,
            "question": item.question,
            "call_id": item.call.call_id,
            "labels": [_row(label) for label in item.judged.labels],
            "is_tainted": item.judged.is_tainted,
            "is_planned": item.judged.is_planned,
            "policy_digest": item.policy_digest,
            "sandbox": item.sandbox,
        }
        for item in report.verdicts
    ]


def _row(label: Label) -> dict[str, object]:
    return {
        "argument": label.argument,
        "origins": [
            {"kind": origin.kind, "ref": origin.ref, "call_id": origin.call_id}
            for origin in label.provenance.origins
        ],
        "is_endorsed": label.is_endorsed,
        "is_trusted": label.provenance.is_trusted,
        "value": label.value,
    }


def _block(item: VerdictReport) -> Iterator[Line]:
    said, style = _SAID[item.verdict]
    head = f"{f'#{item.position}':<{_MARGIN}}step {item.step}  {said}  {safe(item.call.tool)}"
    yield Line(head, f"bold {style}".strip())
    yield from _field("by", _decider(item), style=style)
    if item.verdict in {"yes", "no", "absent"}:
        return
    arguments = _arguments(item)
    for name, value in arguments.items():
        shown = one_line(format_value(value), 300)
        label = next((label for label in item.judged.labels if label.argument == name), None)
        yield from _field(safe(name), shown if label is None else f"{shown} {_source(label)}")
    if not arguments:
        yield from _field("arguments", "none")
    is_planned = "the plan names the tool" if item.judged.is_planned else "the plan does not name the tool"
    text = "contained text from outside" if item.judged.is_tainted else "contained no text from outside"
    yield from _field("prompt", f"{text}; {is_planned}")
    under = f"policy {item.policy_digest[:_DIGEST_DIGITS]}, sandbox {item.sandbox.value}"
    yield from _field("under", under, style="dim")


def _arguments(item: VerdictReport) -> dict[str, Any]:
    """Return the arguments as judged; if these were too long to be recorded whole, as proposed."""
    try:
        return msgspec.json.decode(item.judged.arguments, type=dict[str, Any])
    except UNREADABLE:
        return item.call.arguments


def _decider(item: VerdictReport) -> str:
    why = f": {one_line(item.reason, 600)}" if item.reason else ""
    match item.verdict:
        case "allow" | "refuse" | "ask":
            return f"rule {safe(item.rule)}{why}"
        case "yes" | "no":
            return f"person {safe(item.rule.removeprefix('person:'))}".rstrip() + why
        case "absent":
            return "nobody: no person was available to answer"
        case _:
            assert_never(item.verdict)


def _source(label: Label) -> str:
    """Return where a value came from, and whether a trusted source endorses it."""
    origins = ", ".join(_origin(origin) for origin in label.provenance.origins) or "nowhere"
    if label.is_endorsed:
        return f"from {origins}: endorsed"
    foreign = f" for {one_line(label.value, 120)!r}" if label.value else ""
    return f"from {origins}: NOT endorsed{foreign}"


def _origin(origin: Origin) -> str:
    ref = safe(origin.ref)
    match origin.kind:
        case "user":
            return "the user"
        case "config":
            return f"the settings ({ref})" if ref else "the settings"
        case "tool":
            return f"the tool {ref} {safe(origin.call_id)}".rstrip()
        case "worker":
            return f"the worker {ref}".strip()
        case "model":
            return f"the model ({ref})" if ref else "the model"
        case "document":
            return f"a document ({ref})" if ref else "a document"
        case "workspace":
            return "the names of files in the workspace"
        case _:
            assert_never(origin.kind)


def _field(name: str, text: str, *, style: str = "") -> Iterator[Line]:
    """Return a named text, wrapped, with its name in front of its first line."""
    indent = " " * (_MARGIN + _NAMES + 1)
    named = f"{' ' * _MARGIN}{name:<{_NAMES}} "
    wrapped = textwrap.wrap(
        text, WIDTH, initial_indent=named, subsequent_indent=indent, break_on_hyphens=False
    )
    yield from (Line(line, style) for line in wrapped or [named.rstrip()])
