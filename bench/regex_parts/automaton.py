"""A regular expression as an automaton over a small alphabet, to be asked how its matcher can waste time.

Repeats with a bound below `BOUND` count as one optional piece: they can cost a factor, and never more. What
a group captured is taken for any text; a lookaround of one character is exact, any other is taken to hold.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any, TypeAlias

BOUND = 256
"""A repeat with at least this upper bound counts as unbounded."""
COPIES = 4
"""A piece that is needed more often than this counts as needed this often."""
END, START = "", ""

Test: TypeAlias = Callable[[str], bool]
Guard: TypeAlias = Callable[[str, str], bool]
"""Whether a place can be passed, given the characters before and after it; "" is the edge of the text."""

_SAMPLES = "".join(map(chr, range(128))) + "\x85\u00e9\u0130\u017f\u2028\u4e2d\ud800\U0001f600"
_SINGLE = frozenset({sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN})
_CATEGORIES = {
    "DIGIT": re.compile(r"\d"),
    "SPACE": re.compile(r"\s"),
    "WORD": re.compile(r"\w"),
}


class Automaton:
    """The states of a pattern: 0 is before it, each other has consumed a character."""

    def __init__(self, items: Any, flags: int = 0, *, is_search: bool = True) -> None:
        self.flags = flags
        self.is_search = is_search
        self.lookarounds: list[Any] = []
        self._tests: list[Test] = []
        self._edges: list[list[tuple[int, Guard | None]]] = [[]]  # between nodes, without a character
        self._takes: dict[int, tuple[Test, int]] = {}  # the node that takes a character, and the one behind
        self._possessive_ends: set[int] = set()
        self._end = self._sequence(items, self._after(0))
        self.alphabet = self._alphabet()
        self._guards_met: dict[int, tuple[Guard, ...]] = {}
        self._ways: dict[tuple[int, frozenset[Guard]], list[int]] = {}
        self._moves: dict[tuple[int, str], dict[str, tuple[int, ...]]] = {}

    @classmethod
    def of(cls, pattern: str, flags: int = 0, *, is_search: bool = True) -> "Automaton":
        """Return the automaton of a pattern as `re` takes it."""
        parsed = _parser.parse(pattern, flags)
        return cls(parsed, parsed.state.flags | flags, is_search=is_search)

    def moves(self, state: int, before: str) -> dict[str, tuple[int, ...]]:
        """Return, for each character that `state` can take, the states after it, one for each way to get there."""
        key = (state, before if self._guards(state) else START)
        found = self._moves.get(key)
        if found is None:
            steps = ((taken, self._step(state, before, taken)) for taken in self.alphabet)
            found = self._moves[key] = {taken: there for taken, there in steps if there}
        return found

    def _step(self, state: int, before: str, taken: str) -> tuple[int, ...]:
        there = [self._takes[node] for node in self._reached(state, before, taken) if node in self._takes]
        states = [target for test, target in there if test(taken)]
        return (*states, 0) if state == 0 and self.is_search else tuple(states)

    def looks_back(self, state: int) -> bool:
        """Whether what comes after `state` depends on more than the next character."""
        return bool(self._guards(state))

    def _guards(self, state: int) -> tuple[Guard, ...]:
        """The guards that can be met from `state` without a character."""
        found = self._guards_met.get(state)
        if found is None:
            nodes, seen = [state], {state}
            while nodes:
                fresh = {there for there, _ in self._edges[nodes.pop()]} - seen
                seen |= fresh
                nodes += fresh
            met = dict.fromkeys(guard for node in sorted(seen) for _, guard in self._edges[node] if guard)
            found = self._guards_met[state] = tuple(met)
        return found

    def accepts_always(self, state: int) -> bool:
        """Whether the match succeeds from `state`, whatever comes next."""
        if not self.looks_back(state) or self._possessive_ends & set(self._reached(state, START, END)):
            return self._end in self._reached(state, START, END)
        return all(
            self._end in self._reached(state, before, after)
            for before in self.alphabet
            for after in (END, *self.alphabet)
        )

    def _reached(self, node: int, before: str, after: str) -> list[int]:
        """Return the nodes that can be reached without a character, once for each path without a circle."""
        closed = frozenset(guard for guard in self._guards(node) if not guard(before, after))
        if (node, closed) in self._ways:
            return self._ways[node, closed]
        path = [node]

        def walk(here: int) -> Iterator[int]:
            yield here
            for there, guard in self._edges[here]:
                if there not in path and guard not in closed:
                    path.append(there)
                    yield from walk(there)
                    path.pop()

        found = self._ways[node, closed] = list(walk(node))
        return found

    def _node(self) -> int:
        self._edges.append([])
        return len(self._edges) - 1

    def _link(self, source: int, target: int, guard: Guard | None = None) -> None:
        self._edges[source].append((target, guard))

    def _sequence(self, items: Any, node: int) -> int:
        for operator, argument in items:
            node = self._item(operator, argument, node)
        return node

    def _item(self, operator: Any, argument: Any, node: int) -> int:
        match operator:
            case _ if operator in _SINGLE:
                return self._character(_test(operator, argument, self.flags), node)
            case sre.BRANCH:
                end = self._node()
                for branch in argument[1]:
                    self._link(self._sequence(branch, self._after(node)), end)
                return end
            case sre.SUBPATTERN:
                return self._sequence(argument[3], node)
            case sre.MAX_REPEAT | sre.MIN_REPEAT:
                return self._repeat(argument, node)
            case sre.POSSESSIVE_REPEAT:
                return self._possessive(argument, node)
            case sre.ASSERT | sre.ASSERT_NOT | sre.AT:
                end = self._node()
                self._link(node, end, self._guard(operator, argument))
                return end
            case sre.GROUPREF:
                return self._repeat((0, BOUND, [(sre.ANY, None)]), node)
            case _:
                raise NotImplementedError(f"no rule for {operator}")

    def _after(self, node: int) -> int:
        new = self._node()
        self._link(node, new)
        return new

    def _character(self, test: Test, node: int) -> int:
        source, target = self._after(node), self._node()
        self._tests.append(test)
        self._takes[source] = (test, target)
        return target

    def _repeat(self, argument: Any, node: int) -> int:
        least, most, items = argument
        for _ in range(min(least, COPIES)):
            node = self._sequence(items, node)
        if least == most:
            return node
        begin, end = self._after(node), self._node()
        last = self._sequence(items, begin)
        self._link(begin, end)
        if most >= BOUND:
            self._link(last, begin)
        else:
            self._link(last, end)
        return end

    def _possessive(self, argument: Any, node: int) -> int:
        """A repeat that gives nothing back: after it comes a character that it does not take."""
        end, (_, most, items) = self._repeat(argument, node), argument
        if most < BOUND or len(items) != 1 or items[0][0] not in _SINGLE:
            return end
        operator, value = items[0]
        test = _test(operator, value, self.flags)
        behind = self._node()
        self._link(end, behind, lambda before, after: after == END or not test(after))
        self._possessive_ends.add(end)
        return behind

    def _guard(self, operator: Any, argument: Any) -> Guard | None:
        if operator is sre.AT:
            return _at(argument, self.flags)
        direction, inner = argument
        if len(inner) == 1 and inner[0][0] in _SINGLE:
            test = _test(inner[0][0], inner[0][1], self.flags)
            self._tests.append(test)
            is_wanted = operator is sre.ASSERT
            if direction < 0:
                return lambda before, after: (before != START and test(before)) is is_wanted
            return lambda before, after: (after != END and test(after)) is is_wanted
        self.lookarounds.append(inner)
        return None

    def _alphabet(self) -> tuple[str, ...]:
        """One character for each way in which the parts of the pattern can tell characters apart."""
        tests: list[Test] = [*self._tests, _is_word, lambda character: character == "\n"]
        kinds: dict[tuple[bool, ...], str] = {}
        for character in sorted(_SAMPLES, key=lambda each: (not each.isalnum(), each)):
            kinds.setdefault(tuple(test(character) for test in tests), character)
        return tuple(kinds.values())


@cache
def _is_word(character: str) -> bool:
    return character != "" and _CATEGORIES["WORD"].match(character) is not None


def _test(operator: Any, argument: Any, flags: int) -> Test:
    """Whether a character is taken, looked up: a pattern asks the same few characters thousands of times."""
    taken = _taken(operator, tuple(argument) if isinstance(argument, list) else argument, flags)
    return taken.__contains__


@cache
def _taken(operator: Any, argument: Any, flags: int) -> frozenset[str]:
    test = _test_of_one(operator, argument, flags)
    return frozenset(character for character in ("", *_SAMPLES) if test(character))


def _test_of_one(operator: Any, argument: Any, flags: int) -> Test:
    match operator:
        case sre.ANY:
            return lambda character: character != "\n" or bool(flags & re.DOTALL)
        case sre.LITERAL:
            return lambda character: _is_same(character, argument, flags)
        case sre.NOT_LITERAL:
            return lambda character: not _is_same(character, argument, flags)
        case _:
            is_negative = argument[0][0] is sre.NEGATE
            items = argument[is_negative:]
            return lambda character: any(_is_in(character, item, flags) for item in items) is not is_negative


def _is_same(character: str, code: int, flags: int) -> bool:
    return character == chr(code) or bool(flags & re.IGNORECASE and character.lower() == chr(code).lower())


def _is_in(character: str, item: Any, flags: int) -> bool:
    operator, argument = item
    match operator:
        case sre.LITERAL:
            return _is_same(character, argument, flags)
        case sre.RANGE:
            low, high = argument
            forms = (
                {character, character.lower(), character.upper()} if flags & re.IGNORECASE else {character}
            )
            return any(low <= ord(form) <= high for form in forms if len(form) == 1)
        case _:
            name = str(argument).removeprefix("CATEGORY_")
            is_in = _CATEGORIES[name.removeprefix("NOT_")].match(character) is not None
            return is_in is not name.startswith("NOT_")


def _at(place: Any, flags: int) -> Guard:
    is_lines = bool(flags & re.MULTILINE)
    match place:
        case sre.AT_BEGINNING:
            return lambda before, after: before == START or (is_lines and before == "\n")
        case sre.AT_BEGINNING_STRING:
            return lambda before, after: before == START
        case sre.AT_END:
            return lambda before, after: after in (END, "\n")
        case sre.AT_END_STRING:
            return lambda before, after: after == END
        case sre.AT_BOUNDARY:
            return lambda before, after: _is_word(before) != _is_word(after)
        case sre.AT_NON_BOUNDARY:
            return lambda before, after: _is_word(before) == _is_word(after)
        case _:
            raise NotImplementedError(f"no rule for {place}")
