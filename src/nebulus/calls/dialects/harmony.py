"""Harmony (gpt-oss): messages with a channel and a recipient; also where its tokens were lost.

Source: openai/harmony, docs/format.md.
"""

import re

from nebulus.calls.bodies import json_arguments_block
from nebulus.calls.dialect import Block, Dialect, Source

MESSAGE = "<|message|>"
_ENDS = ("<|end|>", "<|call|>", "<|return|>")
_RECIPIENT = re.compile(r"to=(functions\.)?([\w.\-]{1,160})")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w{1,20})")
_MAX_HEADER = 400
_NOT_TOOLS = frozenset({"assistant", "user", "all"})
_BARE_HEADER = re.compile(
    r"functions\.([\w.\-]{1,160})\s*+(?:<\|channel\|>\s*+\w{1,20})?\s*+(?:<\|constrain\|>)?\s*+(?:json|code)?\s*+"
    r"(?:<\|message\|>)?\s*+(?=\{)"
)
_BEFORE = re.compile(r"(?:assistant)?(?:commentary|analysis)?\s{0,99}\Z")


def take(source: Source, start: int, body: int) -> Block:
    """Take the message whose header begins at `start`."""
    message = source.find(MESSAGE, body)
    ended = min(source.find(end, body) for end in _ENDS)
    if message >= len(source.text) or ended < message or message - start > _MAX_HEADER:
        return Block(start=start, end=_past_header(source, body, ended), dialect="harmony", is_message=True)
    header, content = source.text[start:message], message + len(MESSAGE)
    recipients = [match for match in _RECIPIENT.finditer(header) if match[2] not in _NOT_TOOLS]
    if recipients:
        name = recipients[-1][2]
        return json_arguments_block(source, start, content, name=name, dialect="harmony", closers=_ENDS)
    return _message(source, start, content, header=header)


def _past_header(source: Source, body: int, ended: int) -> int:
    """Where to go on behind a header without a message: at its own end token, if that is near."""
    return ended if ended - body <= _MAX_HEADER else body


def _message(source: Source, start: int, content: int, *, header: str) -> Block:
    channels = _CHANNEL.findall(header)
    is_reasoning = bool(channels) and channels[-1] == "analysis"
    ends = ("<|end|>",) if is_reasoning else _ENDS
    end = min(source.find(mark, content) for mark in ends)
    text = source.text[content:end]
    if is_reasoning:
        return Block(start=start, end=end, dialect="harmony", is_message=True, reasoning=text)
    return Block(start=start, end=end, dialect="harmony", is_message=True, words=text)


def take_bare(source: Source, start: int, body: int) -> Block | None:
    """Take the call whose `to=functions.` is at `start`, its tokens lost or never written."""
    head = _BARE_HEADER.match(source.text, start + len("to="))
    if head is None:
        return None
    window = max(start - 40, source.taken)
    before = _BEFORE.search(source.text[window:start])
    begin = window + before.start() if before else start
    return json_arguments_block(source, begin, head.end(), name=head[1], dialect="harmony", closers=_ENDS)


DIALECT = Dialect(name="harmony", openers=("<|start|>", "<|channel|>"), take=take, noise=_ENDS)
BARE = Dialect(name="harmony", openers=("to=functions.",), take=take_bare)
