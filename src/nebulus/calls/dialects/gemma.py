"""Gemma 4 and FunctionGemma: `call:name{key:value}` with strings between tokens of their own.

Source: the chat template of google/gemma-4; google/functiongemma-270m-it, "Formatting".
"""

import re
from typing import Any

from nebulus.calls.bodies import after
from nebulus.calls.candidate import Candidate
from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.literal import MAX_DEPTH, UnreadableError
from nebulus.calls.scanner import Scanner

_HEAD = re.compile(r"\s*+call:\s*+([\w.\-:/]{1,160})\s*+(?=\{)")
_KEY = re.compile(r"[^:{}\[\],<]{1,160}(?=:)")
_BLANK = re.compile(r"\s*+")
_QUOTES = ('<|"|>', "<escape>")
_CLOSERS = ("<tool_call|>", "<end_function_call>")


def take(source: Source, start: int, body: int) -> Block | None:
    """Take the call behind its token; None where JSON is there instead."""
    head = _HEAD.match(source.text, body)
    if head is None:
        return None
    try:
        arguments, end = _object(source, head.end() + 1, 0)
    except UnreadableError as problem:
        end = source.after_first(_CLOSERS, max(problem.reached, body))
        return Block(start=start, end=end, dialect="gemma", problem=problem)
    closer = next((mark for mark in _CLOSERS if source.text.startswith(mark, end)), "")
    found = (Candidate(head[1], arguments),)
    return Block(start=start, end=end + len(closer), dialect="gemma", candidates=found)


def _value(source: Source, position: int, depth: int) -> tuple[Any, int]:
    position = after(_BLANK, source.text, position)
    if depth > MAX_DEPTH:
        raise UnreadableError(f"more than {MAX_DEPTH} containers are inside each other", reached=position)
    for quote in _QUOTES:
        if source.text.startswith(quote, position):
            return _string(source, position + len(quote), quote)
    if source.text.startswith("{", position):
        return _object(source, position + 1, depth + 1)
    if source.text.startswith("[", position):
        return _array(source, position + 1, depth + 1)
    return Scanner(source.text, is_python=False).value(position)


def _string(source: Source, start: int, quote: str) -> tuple[str, int]:
    end = source.find(quote, start)
    if end >= len(source.text):
        raise UnreadableError("a string is open at the end", reached=end, is_open=True)
    return source.text[start:end], end + len(quote)


def _object(source: Source, position: int, depth: int) -> tuple[dict[str, Any], int]:
    result: dict[str, Any] = {}
    position = after(_BLANK, source.text, position)
    while not source.text.startswith("}", position):
        key, position = _key(source, position)
        if key in result:
            raise UnreadableError(f"the key {key!r} appears twice in one object", reached=position)
        result[key], position = _value(source, position, depth)
        position = _separated(source, position, "}")
    return result, position + 1


def _array(source: Source, position: int, depth: int) -> tuple[list[Any], int]:
    result: list[Any] = []
    position = after(_BLANK, source.text, position)
    while not source.text.startswith("]", position):
        item, position = _value(source, position, depth)
        result.append(item)
        position = _separated(source, position, "]")
    return result, position + 1


def _key(source: Source, position: int) -> tuple[str, int]:
    for quote in _QUOTES:
        if source.text.startswith(quote, position):
            key, position = _string(source, position + len(quote), quote)
            return key, position + 1
    match = _KEY.match(source.text, position)
    if match is None:
        is_open = position >= len(source.text)
        raise UnreadableError(
            "a key belongs here",
            value=source.text[position : position + 24],
            reached=position,
            is_open=is_open,
        )
    return match.group().strip(), match.end() + 1


def _separated(source: Source, position: int, closer: str) -> int:
    position = after(_BLANK, source.text, position)
    if source.text.startswith(",", position):
        return after(_BLANK, source.text, position + 1)
    if source.text.startswith(closer, position):
        return position
    is_open = position >= len(source.text)
    raise UnreadableError(
        "a comma or a closer belongs here",
        value=source.text[position : position + 24],
        reached=position,
        is_open=is_open,
    )


DIALECT = Dialect(name="gemma", openers=("<|tool_call>", "<start_function_call>"), take=take, noise=_CLOSERS)
