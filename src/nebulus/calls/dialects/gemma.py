"""Gemma 4 and FunctionGemma: `call:name{key:value}` with strings between tokens of their own.

Source: the chat template of google/gemma-4; google/functiongemma-270m-it, "Formatting".
"""

import re
from typing import Any

from nebulus.calls.bodies import after
from nebulus.calls.candidate import Candidate, require_certain_closers
from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.literal import UnreadableError
from nebulus.calls.scanner import Scanner

_HEAD = re.compile(r"\s*+call:\s*+([\w.\-:/]{1,160})\s*+(?=\{)")
_KEY = re.compile(r"[^:{}\[\],<]{1,160}(?=:)")
_BLANK = re.compile(r"\s*+")
_QUOTES = ('<|"|>', "<escape>")
_CLOSERS = ("<tool_call|>", "<end_function_call>")


class _Scanner(Scanner):
    """Reads JSON with other quotes, and with keys that have none."""

    def skip(self, position: int) -> int:
        """Return where the next token starts, after blanks."""
        return after(_BLANK, self.text, position)

    def value(self, position: int) -> tuple[Any, int]:
        """Return the value at `position` and where it ended."""
        quote = next((quote for quote in _QUOTES if self.text.startswith(quote, position)), "")
        if not quote:
            return super().value(position)
        start = position + len(quote)
        end = self.text.find(quote, start)
        if end < 0:
            raise UnreadableError("a string is open at the end", reached=self.end, is_open=True)
        return self.text[start:end], end + len(quote)

    def key(self, position: int) -> tuple[str, int]:
        """Return the key at `position`, and where its value may start."""
        if self.text.startswith(_QUOTES, position):
            key, end = self.value(position)
            return key, end + 1
        match = _KEY.match(self.text, position)
        if match is None:
            raise self.refusal("a key belongs here", position)
        return match.group().strip(), match.end() + 1


def take(source: Source, start: int, body: int) -> Block | None:
    """Take the call behind its token; None where JSON is there instead."""
    head = _HEAD.match(source.text, body)
    if head is None:
        return None
    scanner = _Scanner(source.text, is_python=False)
    try:
        arguments, end = scanner.value(head.end())
        require_certain_closers(arguments, scanner.result(arguments, end), "")
    except UnreadableError as problem:
        end = source.after_first(_CLOSERS, max(problem.reached, body))
        return Block(start=start, end=end, dialect="gemma", problem=problem)
    closer = next((mark for mark in _CLOSERS if source.text.startswith(mark, end)), "")
    found = (Candidate(head[1], arguments, tuple(scanner.edits)),)
    return Block(start=start, end=end + len(closer), dialect="gemma", candidates=found)


DIALECT = Dialect(name="gemma", openers=("<|tool_call>", "<start_function_call>"), take=take, noise=_CLOSERS)
