"""Looks through a text once, from marker to marker: what is reasoning, what are words, where calls stand.

Laws: what stands in reasoning or in a code fence is not a call; a marker inside a call's own strings is
content; the time taken is linear in the text.
"""

import re

from msgspec import Struct

from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.dialects import DIALECTS

REASONING = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "[THINK]": "[/THINK]",
    "<|channel>thought\n": "<channel|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "<|open|>think<|sep|>": "<|close|>think<|sep|>",
}
"""What opens and what closes reasoning.

Source: chat templates of DeepSeek-R1, Qwen3, GLM-4.5 (`<think>`), Magistral (`[THINK]`), Gemma 4,
Command A Reasoning, Kimi K3.
"""

ENDS = (
    "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|endoftext|>", "<|end_of_text|>", "</s>", "<end_of_turn>",
    "<turn|>", "<|eot|>", "<|eom|>", "<|return|>", "<|call|>", "<|end|>", "<|tool_response>",
)  # fmt: skip
"""Tokens that end a message, where a server left them in its text."""
MAX_BLOCKS = 128
"""Calls, read or not, that are looked for in one answer. Source: the OpenAI API allows 128 tools a request."""
_HEADERS = re.compile(
    r"(?:\s*+(?:<\|start_header_id\|>|<\|end_header_id\|>|<\|header_start\|>|<\|header_end\|>|<\|im_start\|>"
    r"|<\|begin_of_text\|>|assistant(?=<\|)|(?<=<\|im_start\|>)assistant))+\s*+"
)
_FENCE = "```"
_INFO = re.compile(r"```[^\n`]{0,40}\n?")
_LINE_START = re.compile(r"(?:\A|\n)[ \t>]*\Z")


class Fence(Struct, frozen=True):
    """A code fence: its content, and where all of it begins and ends in the words."""

    body: str
    start: int
    end: int


class Scan(Struct, frozen=True, kw_only=True):
    """What a text is made of. `words` and `reasoning` are verbatim, without markers.

    `is_overfull`: so many blocks that the rest was not read. `is_structured`: the dialect itself says which words are words, so none of them can be a bare call.
    `is_reasoning_open`: the text ended inside its reasoning. `orphans` are tags of calls that stood
    outside of any. `is_doubtful`: a call was followed by the
    end of reasoning, though reasoning had ended before it.
    """

    blocks: tuple[Block, ...] = ()
    words: str = ""
    reasoning: str = ""
    fences: tuple[Fence, ...] = ()
    is_structured: bool = False
    is_reasoning_open: bool = False
    orphans: tuple[str, ...] = ()
    is_doubtful: bool = False
    is_overfull: bool = False


def _marker_table() -> tuple[re.Pattern[str], dict[str, tuple[Dialect, ...]], frozenset[str]]:
    takers: dict[str, tuple[Dialect, ...]] = {}
    for dialect in DIALECTS:
        for opener in dialect.openers:
            takers[opener] = (*takers.get(opener, ()), dialect)
    noise = frozenset(mark for dialect in DIALECTS for mark in dialect.noise)
    marks = {*takers, *noise, *REASONING, *REASONING.values(), _FENCE}
    longest_first = sorted(marks, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))), takers, noise


_MARKER, _TAKERS, _NOISE = _marker_table()
MARKERS = frozenset({*_TAKERS, *_NOISE, *REASONING, *REASONING.values()})
"""Every literal piece of text that the scan stops at."""
_REASONING_CLOSERS = frozenset(REASONING.values())


def scan(source: Source, *, calls_in_reasoning: bool = False, starts_in_reasoning: bool = False) -> Scan:
    """Return what the text of `source` is made of."""
    scanning = _Scanning(source, calls_in_reasoning)
    scanning.is_reasoning = starts_in_reasoning
    return scanning.run()


class _Scanning:
    """One pass over one text."""

    def __init__(self, source: Source, calls_in_reasoning: bool) -> None:
        self.source = source
        self.text = source.text
        self.calls_in_reasoning = calls_in_reasoning
        self.is_reasoning = False
        self.words: list[str] = []
        self.words_length = 0
        self.reasoning: list[str] = []
        self.blocks: list[Block] = []
        self.fences: list[Fence] = []
        self.reasoning_ended = False
        self.orphans: list[str] = []
        self.is_structured = False
        self.is_doubtful = False

    def run(self) -> Scan:
        """Go from marker to marker."""
        position, end = _without_edges(self.text)
        if self.is_reasoning and not self.calls_in_reasoning:
            position = self.skip_reasoning(position, tuple(_REASONING_CLOSERS))
        while position < end and len(self.blocks) < MAX_BLOCKS:
            match = _MARKER.search(self.text, position, end)
            if match is None:
                break
            position = self.at_marker(match, position)
        self.add(self.text[position:end])
        return Scan(
            blocks=tuple(self.blocks),
            words="".join(self.words),
            reasoning="".join(self.reasoning),
            fences=tuple(self.fences),
            is_structured=self.is_structured,
            is_reasoning_open=self.is_reasoning,
            orphans=tuple(self.orphans),
            is_doubtful=self.is_doubtful,
            is_overfull=len(self.blocks) >= MAX_BLOCKS,
        )

    def add(self, text: str) -> None:
        """Keep text as what it is here: reasoning, or words."""
        if self.is_reasoning:
            self.reasoning.append(text)
        else:
            self.words.append(text)
            self.words_length += len(text)

    def at_marker(self, match: re.Match[str], position: int) -> int:
        """Deal with one marker; return where to go on."""
        mark, start = match.group(), match.start()
        if mark == _FENCE:
            return self.at_fence(start, position)
        self.source.taken = position
        for dialect in _TAKERS.get(mark, ()):
            block = dialect.take(self.source, start, match.end())
            if block is not None and block.start >= position:
                return self.at_block(block, position)
        self.add(self.text[position:start])
        if is_in_code(self.text, start):
            self.add(mark)
        elif mark in REASONING:
            return self.at_reasoning(mark, match.end())
        elif mark in _REASONING_CLOSERS:
            self.end_reasoning()
        elif mark not in _NOISE:
            self.add(mark)
        elif mark.startswith("</"):
            self.orphans.append(mark)
        return match.end()

    def at_block(self, block: Block, position: int) -> int:
        """Keep a block, and the text before it."""
        self.add(self.text[position : block.start])
        if block.candidates or block.problem:
            self.blocks.append(block)
        elif block.is_message:
            self.is_structured = True
            self.words.append(block.words)
            self.words_length += len(block.words)
            self.reasoning.append(block.reasoning)
        return max(block.end, block.start + 1)

    def at_reasoning(self, opener: str, position: int) -> int:
        """Begin reasoning; skip it whole unless calls may stand in it."""
        self.is_reasoning = True
        if self.calls_in_reasoning:
            return position
        return self.skip_reasoning(position, (REASONING[opener],))

    def skip_reasoning(self, position: int, closers: tuple[str, ...]) -> int:
        """Keep all up to the first of `closers` as reasoning; return where it ends."""
        place, closer = min((self.source.find(mark, position), mark) for mark in closers)
        self.add(self.text[position:place])
        if place >= len(self.text):
            return place
        self.is_reasoning = False
        self.reasoning_ended = True
        return place + len(closer)

    def end_reasoning(self) -> None:
        """Reasoning ends here. Where nothing had begun it, all before this was reasoning."""
        if not self.is_reasoning:
            self.is_doubtful = self.is_doubtful or (self.reasoning_ended and bool(self.blocks))
            self.reasoning.extend(self.words)
            self.words, self.words_length, self.fences = [], 0, []
            if not self.calls_in_reasoning:
                self.blocks = []
        self.is_reasoning = False
        self.reasoning_ended = True

    def at_fence(self, start: int, position: int) -> int:
        """Keep a fence as words, and remember where it stands; return where it ends."""
        if not _LINE_START.search(self.text, max(position, start - 40), start):
            self.add(self.text[position : start + len(_FENCE)])
            return start + len(_FENCE)
        info = _INFO.match(self.text, start)
        body = info.end() if info else start + len(_FENCE)
        close = self.source.find("\n" + _FENCE, max(body - 1, start))
        if close >= len(self.text):
            close = self.source.find(_FENCE, body)
        end = min(self.source.find(_FENCE, close) + len(_FENCE), len(self.text))
        self.add(self.text[position:start])
        self.fences.append(Fence(self.text[body:close], self.words_length, self.words_length + end - start))
        self.add(self.text[start:end])
        return end


def is_in_code(text: str, place: int) -> bool:
    """Whether `place` stands in inline code: behind an odd number of backticks on its line."""
    line = text[max(text.rfind("\n", max(place - 400, 0), place), place - 401) + 1 : place]
    return line.replace(_FENCE, "").count("`") % 2 == 1


def _without_edges(text: str) -> tuple[int, int]:
    """Where the text begins behind headers, and ends before tokens that only end a message."""
    header = _HEADERS.match(text)
    start, end = header.end() if header else 0, len(text)
    while True:
        last = end
        while last > start and text[last - 1].isspace():
            last -= 1
        token = next((token for token in ENDS if text.endswith(token, start, last)), "")
        if not token:
            return start, end
        end = last - len(token)
