"""What each rule of the reader is worth: the recorded answers that it fixes or breaks, by model, and what it prevents.

A rule about words is one pattern, or one alternative of it, in `nebulus.calls.wording` and `language`. It is switched
off by a pattern that never matches, and every answer whose doubt changes is parsed again. `spared` counts answers that
mean no call and would be acted on without the rule (`not_meant.py`, `odd_frames.py`, tools that read). An edit is
recorded in each reading, so its worth is counted where it was made.

Cross-validation by model: on four of the models, rules are dropped, one after another, as long as nothing is lost; what
is left is measured on the others, in every rotation. `spared` answers are nobody's output and are kept in each.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch

from msgspec import Struct

from bench.calls_parts import foreign_frames, not_meant, odd_frames
from bench.calls_parts.recorded import Record, line_of
from nebulus.calls import evidence, language, read, tool_specs, wording
from nebulus.calls.lines import answer_of
from nebulus.core.answers import ModelAnswer
from nebulus.core.findings import CallEvidence, Reading
from nebulus.core.tools import ToolSpec

NEVER = r"(?!)"
BUILT_ON = 4
"""So many models are seen in each rotation."""


class Rule(Struct, frozen=True):
    """A pattern, or one alternative of it, that can be switched off."""

    name: str
    module: str
    attribute: str
    without: str
    """The pattern that is left."""
    flags: int


class Case(Struct, frozen=True, kw_only=True):
    """An answer, and how to judge what is read in it."""

    model: str
    answer: ModelAnswer
    tools: Sequence[ToolSpec]
    is_right: Callable[[Reading], bool]
    was_right: bool = False
    """The official scorer has it right; an answer that means no call counts as such."""


class _Words(Struct, frozen=True):
    """One question that was asked about words around a call, and whether they left a doubt."""

    case: int
    function: str
    said: str
    own: frozenset[str]
    is_doubted: bool


MODULES: dict[str, ModuleType] = {"wording": wording, "language": language, "evidence": evidence}


def rules() -> Iterator[Rule]:
    """Yield every rule about words: each pattern as a whole, and each of its alternatives."""
    for module in ("wording",):
        for attribute, pattern in vars(MODULES[module]).items():
            if not isinstance(pattern, re.Pattern):
                continue
            yield Rule(attribute, module, attribute, NEVER, pattern.flags)
            options = alternatives(pattern.pattern)
            for number, option in enumerate(options):
                rest = options[:number] + options[number + 1 :]
                if rest:
                    name = f"{attribute} {option.strip()}"
                    yield Rule(name, module, attribute, "|".join(rest), pattern.flags)


def alternatives(pattern: str) -> list[str]:
    """Return the alternatives of a pattern at its top level; those of a group that is all of it between `\\b`."""
    whole = re.fullmatch(r"\\b\(\?:(.*)\)\\b", pattern, re.DOTALL)
    if whole and len(_split(whole[1])) > 1 and _is_balanced(whole[1]):
        return [rf"\b(?:{each})\b" for each in _split(whole[1])]
    return _split(pattern)


def _is_balanced(pattern: str) -> bool:
    depth = 0
    for sign, _ in _signs(pattern):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth < 0:
            return False
    return depth == 0


def _signs(pattern: str) -> Iterator[tuple[str, int]]:
    """Yield the signs of a pattern that are neither escaped nor in a class."""
    place, is_class = 0, False
    while place < len(pattern):
        sign = pattern[place]
        if sign == "\\":
            place += 2
            continue
        if is_class:
            is_class = sign != "]"
        elif sign == "[":
            is_class = True
            place += pattern.startswith("]", place + 1)
        else:
            yield sign, place
        place += 1


def _split(pattern: str) -> list[str]:
    depth, cuts = 0, [-1]
    for sign, place in _signs(pattern):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "|" and depth == 0:
            cuts.append(place)
    return [pattern[start + 1 : end] for start, end in itertools.pairwise([*cuts, len(pattern)])]


def cases(scoring: ModuleType, records: dict[str, list[Record]]) -> list[Case]:
    """Return every recorded answer, and every answer that is composed to mean no call or one."""
    found = []
    for record in (each for data in records.values() for each in data):

        def is_right(reading: Reading, record: Record = record) -> bool:
            made = [{"name": call.tool, "arguments": call.arguments} for call in reading.calls]
            return bool(scoring.item_ok(record, made))

        found.append(
            Case(
                model=record["model"] + (" relevance" if record["category"] == "relevance" else ""),
                answer=answer_of(line_of(record)),
                tools=tool_specs(record["tools"]),
                is_right=is_right,
                was_right=bool(record["official_ok"]),
            )
        )
    for name, texts, is_meant in (
        ("not meant", [each.text for each in not_meant.composed()], False),
        ("odd, not meant", list(odd_frames.not_meant()), False),
        ("foreign, not meant", list(foreign_frames.not_meant()), False),
        ("odd, meant", list(odd_frames.meant()), True),
        ("foreign, meant", list(foreign_frames.meant()), True),
    ):
        found += [
            Case(
                model=name,
                answer=ModelAnswer(text=text),
                tools=odd_frames.TOOLS,
                is_right=(lambda reading: bool(reading.calls)) if is_meant else (lambda reading: not reading.calls),
                was_right=True,
            )
            for text in texts
        ]
    return found


class Ablation:
    """All answers with what was asked about their words, ready to be parsed again without a rule."""

    def __init__(self, found: Sequence[Case]) -> None:
        self.cases = found
        self.asked: list[_Words] = []
        self.right: list[bool] = []
        real = {name: getattr(evidence, name) for name in ("doubt_before", "doubt_behind")}
        for number, case in enumerate(found):
            with ExitStack() as stack:
                for name in real:
                    stack.enter_context(patch.object(evidence, name, self._noting(number, name, real[name])))
                self.right.append(case.is_right(self._read(case)))

    def _noting(self, number: int, name: str, real: Callable[[str, Any], str]) -> Callable[[str, Any], str]:
        def noting(said: str, own: frozenset[str]) -> str:
            why = real(said, own)
            self.asked.append(_Words(number, name, said, own, bool(why)))
            return why

        return noting

    @staticmethod
    def _read(case: Case) -> Reading:
        return read(case.answer, case.tools, needed=CallEvidence.OPENS)

    def changed(self, off: Sequence[Rule]) -> dict[int, bool]:
        """Return the answers that end differently without `off`, and whether they are right then."""
        with switched_off(off):
            affected = dict.fromkeys(
                each.case
                for each in self.asked
                if bool(getattr(wording, each.function)(each.said, each.own)) != each.is_doubted
            )
            now = {number: self.cases[number].is_right(self._read(self.cases[number])) for number in affected}
        return {number: is_right for number, is_right in now.items() if is_right != self.right[number]}

    def worth(self, off: Sequence[Rule]) -> dict[str, Counter[str]]:
        """Return, by model, how many answers `off` make right that were not (`fixed`), and the other way round (`broken`)."""
        table: dict[str, Counter[str]] = {}
        for number, is_right in self.changed(off).items():
            row = table.setdefault(self.cases[number].model, Counter())
            row["broken" if is_right else "fixed"] += 1
        return table


@contextmanager
def switched_off(off: Sequence[Rule]) -> Iterator[None]:
    """Run without some rules; several alternatives of one pattern may be among them."""
    with ExitStack() as stack:
        for (module, attribute), group in itertools.groupby(off, lambda rule: (rule.module, rule.attribute)):
            dropped = {rule.name.partition(" ")[2] for rule in group}
            pattern = getattr(MODULES[module], attribute)
            left = [each for each in alternatives(pattern.pattern) if each.strip() not in dropped]
            text = NEVER if "" in dropped or not left else "|".join(left)
            stack.enter_context(patch.object(MODULES[module], attribute, re.compile(text, pattern.flags)))
        yield
