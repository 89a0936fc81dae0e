"""Whether the time of a regular expression can grow faster than its text, with a text that shows it.

A backtracking matcher takes superlinear time where a word can be read in several ways: by going round one loop
along two paths (exponential), or by staying in one loop, by staying in another, and by going from the first to
the second (polynomial). A search is a loop of its own in front of the pattern. A loop from which the match
succeeds on each round, whatever follows, wastes nothing.

Source: Weideman et al. 2016, Analyzing matching time behavior of backtracking regular expression matchers by
using ambiguity of NFA, doi:10.1007/978-3-319-40946-7_27; the conditions are those of Weber and Seidl 1991.
"""

from collections import deque
from collections.abc import Hashable, Iterator
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from bench.regex_parts.automaton import START, Automaton

T = TypeVar("T", bound=Hashable)


class Waste(NamedTuple):
    """How a matcher can be made to waste time: `prefix` once, then `pump` again and again."""

    degree: str
    prefix: str
    pump: str


class Analysis:
    """One pattern, used for searching or matched at one place."""

    def __init__(self, automaton: Automaton) -> None:
        self.automaton = automaton

    def waste(self) -> Waste | None:
        """Return a way to waste time, the worst first; None if there is none."""
        if self._loops in ([], [0]):
            return None
        for state in self._loops:
            pump = self._round_twice(state)
            if pump:
                return Waste("exponential", self._prefix(state), pump)
        for first in self._loops:
            for second in self._loops:
                is_after = first != second and second in self._after[first]
                pump = self._between(first, second) if is_after else ""
                if pump:
                    return Waste("polynomial", self._prefix(first), pump)
        return None

    def rounds(self) -> list[tuple[str, str]]:
        """Return, for each loop of the pattern, a word that leads to it and a word that goes round it once."""
        words = []
        for state in self._loops:
            round_ = self._round(state)

            def near(place: tuple[int, str]) -> Iterator[tuple[str, tuple[int, str]]]:
                for taken, states in self.automaton.moves(place[0], place[1]).items():
                    for there in set(states) & round_:  # noqa: B023
                        yield taken, (there, taken)

            for before in self.automaton.alphabet if state else ():
                pump = _path((state, before), {(state, before)}, near)
                if pump and (self._prefix(state), pump) not in words:
                    words.append((self._prefix(state), pump))
        return words

    @cached_property
    def _after(self) -> dict[int, set[int]]:
        """The states that come after each state, directly or not."""
        after = {}
        for state in self._near:
            seen: set[int] = set()
            queue = list(self._near[state])
            while queue:
                there = queue.pop()
                if there not in seen:
                    seen.add(there)
                    queue += self._near[there]
            after[state] = seen
        return after

    @cached_property
    def _near(self) -> dict[int, set[int]]:
        """The states that come right after each state."""
        near: dict[int, set[int]] = {}
        queue = [0]
        while queue:
            state = queue.pop()
            if state not in near:
                near[state] = self._next(state)
                queue += near[state]
        return near

    @cached_property
    def _loops(self) -> list[int]:
        return [state for state, after in self._after.items() if state in after]

    def _next(self, state: int) -> set[int]:
        befores = (START, *self.automaton.alphabet) if self.automaton.looks_back(state) else (START,)
        return {
            there
            for before in befores
            for states in self.automaton.moves(state, before).values()
            for there in states
        }

    def _round(self, state: int) -> set[int]:
        """The states of the loop that `state` is part of."""
        return {other for other in self._after[state] if state in self._after[other]}

    def _failing(self, state: int) -> set[int]:
        """The states of that loop from which the match can still fail; empty if `state` is none."""
        loop = {other for other in self._round(state) if not self.automaton.accepts_always(other)}
        return loop if state in loop else set()

    def _prefix(self, state: int) -> str:
        """Return a word that leads to `state`."""

        def near(place: tuple[int, str]) -> Iterator[tuple[str, tuple[int, str]]]:
            for taken, states in self.automaton.moves(place[0], place[1]).items():
                for there in states:
                    yield taken, (there, taken)

        goals = {(state, before) for before in self.automaton.alphabet}
        return "" if state == 0 else _path((0, START), goals, near) or ""

    def _round_twice(self, state: int) -> str:
        """Return a word that leads from `state` round to itself along two paths."""
        loop = self._failing(state)

        def near(place: tuple[int, int, str, bool]) -> Iterator[tuple[str, tuple[int, int, str, bool]]]:
            one, other, before, is_apart = place
            moves = self.automaton.moves(other, before)
            for taken, states in self.automaton.moves(one, before).items():
                ones = [there for there in states if there in loop]
                others = [there for there in moves.get(taken, ()) if there in loop]
                is_twice = one == other and len(ones) > len(set(ones))
                for there in set(ones):
                    for elsewhere in set(others):
                        is_now = is_apart or is_twice or there != elsewhere
                        yield taken, (there, elsewhere, self._before(taken, there, elsewhere), is_now)

        for before in self._befores(state):
            found = _path((state, state, before, False), {(state, state, before, True)}, near)
            if found:
                return found
        return ""

    def _before(self, taken: str, *states: int) -> str:
        """Return what must be known of the character before, "" where nothing depends on it."""
        return taken if any(map(self.automaton.looks_back, states)) else START

    def _befores(self, *states: int) -> tuple[str, ...]:
        return self.automaton.alphabet if any(map(self.automaton.looks_back, states)) else (START,)

    def _between(self, first: int, second: int) -> str:
        """Return a word that stays at `first`, stays at `second`, and leads from the one to the other."""
        one_loop, other_loop = self._round(first), self._failing(second)
        way = {state for state in self._after[first] if second in self._after[state]}

        def near(place: tuple[int, int, int, str]) -> Iterator[tuple[str, tuple[int, int, int, str]]]:
            one, between, other, before = place
            middles, others = self.automaton.moves(between, before), self.automaton.moves(other, before)
            for taken, states in self.automaton.moves(one, before).items():
                if taken not in middles or taken not in others:
                    continue
                for there in set(states) & one_loop:
                    for elsewhere in set(others[taken]) & other_loop:
                        for middle in set(middles[taken]) & way:
                            known = self._before(taken, there, middle, elsewhere)
                            yield taken, (there, middle, elsewhere, known)

        for before in self._befores(first, second):
            found = _path((first, first, second, before), {(first, second, second, before)}, near)
            if found:
                return found
        return ""


def _path(start: T, goals: set[T], near: Any) -> str:
    """Return the characters on a shortest way of at least one step from `start` to one of `goals`, "" for none."""
    came: dict[T, tuple[T, str]] = {}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        for taken, there in near(here):
            if there in came:
                continue
            came[there] = (here, taken)
            if there in goals:
                return "".join(reversed(list(_back(there, start, came))))
            queue.append(there)
    return ""


def _back(place: T, start: T, came: dict[T, tuple[T, str]]) -> Iterator[str]:
    while True:
        place, taken = came[place]
        yield taken
        if place == start:
            return


def loop_words(pattern: str, flags: int = 0, *, is_search: bool = True) -> list[tuple[str, str]]:
    """Return prefixes and pumps that go round each loop of a pattern, entered once or again and again."""
    rounds = Analysis(Automaton.of(pattern, flags, is_search=is_search)).rounds()
    return rounds + [("", prefix + pump) for prefix, pump in rounds]


def waste_of(pattern: str, flags: int = 0, *, is_search: bool = True) -> Waste | None:
    """Return how a pattern, or a lookaround inside it, can be made to waste time; None if it can't."""
    automata = [Automaton.of(pattern, flags, is_search=is_search)]
    for automaton in automata:
        found = Analysis(automaton).waste()
        if found:
            return found
        automata += [Automaton(items, automaton.flags) for items in automaton.lookarounds]
    return None
