"""Divides a text, in one pass, into reasoning, words, and the blocks in which calls are written.

Invariants: what is in reasoning is not a call; a mark inside a call's own strings is content; the time taken is
linear in the text.
"""

import re

from msgspec import Struct
from msgspec.structs import replace

from nebulus.calls.dialect import Block, Dialect, Source
from nebulus.calls.dialects import DIALECTS
from nebulus.calls.unmarked import take_unmarked

REASONING = {
    "[THINK]": "[/THINK]",
    "<|channel>thought\n": "<channel|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "<|open|>think<|sep|>": "<|close|>think<|sep|>",
    "◁think▷": "◁/think▷",
    "<seed:think>": "</seed:think>",
    **{
        f"<{name}>": f"</{name}>"
        for name in (
            "think", "thinking", "thought", "thoughts", "reasoning", "reason", "analysis", "scratchpad", "plan",
            "planning", "reflection", "rationale", "inner_monologue", "monologue", "cot",
        )
    },
}  # fmt: skip
"""What opens and what closes reasoning; tags in any case.

Source: chat templates of DeepSeek-R1, Qwen3, GLM-4.5 (`<think>`), Magistral (`[THINK]`), Gemma 4, Command A
Reasoning, Kimi K3, Kimi-VL (`◁think▷`), Seed-OSS (`<seed:think>`); the other tags are what prompts ask for.
"""

ENDS = (
    "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|endoftext|>", "<|end_of_text|>", "</s>", "<end_of_turn>",
    "<turn|>", "<|eot|>", "<|eom|>", "<|return|>", "<|call|>", "<|end|>", "<|tool_response>",
)  # fmt: skip
"""Tokens that end a message, where a server left them in its text."""
_ANSWERS = ("<|open|>response<|sep|>", "<|START_RESPONSE|>", "<|channel|>final<|message|>")
"""With these an answer begins: no thought is before it, although the prompt opened one."""
MAX_BLOCKS = 128
"""Calls, read or not, that are looked for in one answer. Source: the OpenAI API allows 128 tools a request."""
MAX_TRIES = 256
"""Places at which an unmarked call is looked for in one answer."""
_HEADERS = re.compile(
    r"(?:\s*+(?:<\|start_header_id\|>|<\|end_header_id\|>|<\|header_start\|>|<\|header_end\|>|<\|im_start\|>"
    r"|<\|begin_of_text\|>|assistant(?=<\|)|(?<=<\|im_start\|>)assistant))+\s*+"
)
_FENCE = "```"
_INFO = re.compile(
    r"```[ \t]*+[\w+.-]{0,30}[ \t]*+(?:\n|(?=[\[{]))(?:\s*+(?:#|//)[^\n]*+\n)*\s*+(?:return\s+)?"
)
_FENCE_END = re.compile(r"(?:\s*+#[^\n`]*+)?\s*+(?:```|\Z)")
_CODE_LABELS = frozenset(
    {
        "", "json", "jsonc", "json5", "python", "py", "python3", "javascript", "js", "typescript", "ts", "c", "xml",
        "tool_code", "tool_call", "tool_calls", "tool", "function", "function_call",
    }
)  # fmt: skip
"""What is written behind the backticks where calls are meant; the rest is a log, an e-mail, a page."""
_COMMENT = re.compile(r"(?:#|//)[ \t]*+([^\n]*)")
_RESULT = re.compile(
    r"(?:outputs?|returns?|prints?|results?|expected output)\b|[-=]>|[\d\"'\[{(]", re.IGNORECASE
)
_CLOSING_FENCE = re.compile(r"\n[ \t>]*```")
_LINE_START = re.compile(r"(?:\A|\n)[ \t>]*\Z")
_LINE = r"\n[ \t]*+(?=[{\[(]|[A-Za-z_][\w.\-:/]{0,159}[ \t]*+(?:\(|\n?[ \t]*+\{))"
_INLINE = re.compile(r"\s*+`(?!`)")
_JOIN = re.compile(r"[\s,;+&|]*+")


class Scan(Struct, frozen=True, kw_only=True):
    """What a text is made of: words and blocks in order, and the reasoning, verbatim, without its marks.

    `is_overfull`: so many blocks that the rest was not read. `orphans` are marks of calls outside of any.
    `is_doubtful`: a call was followed by the end of reasoning, though reasoning had ended before it.
    """

    parts: tuple[str | Block, ...] = ()
    reasoning: str = ""
    orphans: tuple[str, ...] = ()
    is_doubtful: bool = False
    is_overfull: bool = False


_TAG = re.compile(r"</?\w+>\Z")


def _marker_table() -> tuple[re.Pattern[str], dict[str, tuple[Dialect, ...]], frozenset[str]]:
    takers: dict[str, tuple[Dialect, ...]] = {}
    for dialect in DIALECTS:
        for opener in dialect.openers:
            takers[opener] = (*takers.get(opener, ()), dialect)
    noise = frozenset(mark for dialect in DIALECTS for mark in dialect.noise)
    exact = {*takers, *noise, _FENCE} | {mark for mark in _THOUGHTS if not _TAG.match(mark)}
    tags = "|".join(re.escape(mark[1:-1]) for mark in _THOUGHTS if mark not in exact)
    longest_first = "|".join(map(re.escape, sorted(exact, key=len, reverse=True)))
    return re.compile(f"{longest_first}|<(?i:{tags})>|{_LINE}"), takers, noise


_THOUGHTS = (*REASONING, *REASONING.values())
_MARKER, _TAKERS, _NOISE = _marker_table()
MARKERS = frozenset({*_TAKERS, *_NOISE, *_THOUGHTS})
"""Every literal piece of text that the scan stops at."""
_CLOSERS = {
    closer: re.compile(re.escape(closer), re.IGNORECASE if closer.startswith("</") else 0)
    for closer in REASONING.values()
}


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
        self.parts: list[str | Block] = []
        self.reasoning: list[str] = []
        self.blocks = 0
        self.tries = 0
        self.read_in_vain = 0
        self.reasoning_ended = False
        self.orphans: list[str] = []
        self.is_structured = False
        """The dialect itself says which words are words, so none of them can be an unmarked call."""
        self.is_doubtful = False

    def run(self) -> Scan:
        """Go from mark to mark."""
        position, end = _without_edges(self.text)
        self.is_reasoning = self.is_reasoning and not self.text.startswith(_ANSWERS, position)
        if self.is_reasoning and not self.calls_in_reasoning:
            position = self.skip_reasoning(position, tuple(_CLOSERS))
        position = self.at_start(position)
        while position < end and self.blocks < MAX_BLOCKS:
            match = _MARKER.search(self.text, position, end)
            if match is None:
                break
            position = self.at_marker(match, position)
        self.add(self.text[position:end])
        return Scan(
            parts=tuple(self.parts),
            reasoning="".join(self.reasoning),
            orphans=tuple(self.orphans),
            is_doubtful=self.is_doubtful,
            is_overfull=self.blocks >= MAX_BLOCKS,
        )

    def add(self, text: str) -> None:
        """Keep text as what it is here: reasoning, or words."""
        if not text:
            return
        if self.is_reasoning:
            self.reasoning.append(text)
        else:
            self.parts.append(text)

    def at_marker(self, match: re.Match[str], position: int) -> int:
        """Deal with one mark; return where to go on."""
        mark, start = match.group(), match.start()
        if mark == _FENCE:
            return self.at_fence(start, position)
        if not mark.strip():
            return self.at_unmarked(match.end(), position)
        self.source.taken = position
        for dialect in _TAKERS.get(mark, ()):
            block = dialect.take(self.source, start, match.end())
            if block is not None and block.start >= position:
                return self.at_block(block, position)
        self.add(self.text[position:start])
        thought = mark.lower() if _TAG.match(mark) else mark
        if is_in_code(self.text, start):
            self.add(mark)
        elif thought in REASONING:
            return self.at_reasoning(thought, match.end())
        elif thought in _CLOSERS:
            self.end_reasoning()
            return self.at_fresh(match.end())
        elif mark not in _NOISE:
            self.add(mark)
        else:
            if mark.startswith("</"):
                self.orphans.append(mark)
            return self.at_fresh(match.end())
        return match.end()

    def at_block(self, block: Block, position: int) -> int:
        """Keep a block, and the text before it."""
        self.add(self.text[position : block.start])
        if block.candidates or block.problem:
            self.blocks += 1
            self.parts.append(block)
        elif block.is_message:
            self.is_structured = True
            self.parts.append(block)
            self.reasoning.append(block.reasoning)
        return self.at_fresh(max(block.end, block.start + 1))

    def at_start(self, position: int) -> int:
        """Look for an unmarked call where the answer begins: also one that is all of a piece of inline code."""
        opener = _INLINE.match(self.text, position)
        if opener is not None:
            block, passed = self.tried(opener.end())
            if block is not None and self.text.startswith("`", passed):
                self.blocks += 1
                self.parts.append(replace(block, start=opener.end() - 1, end=passed + 1))
                return self.at_fresh(passed + 1)
        return self.at_fresh(position)

    def at_fresh(self, position: int) -> int:
        """Look for an unmarked call where the answer, or what follows a block or reasoning, begins."""
        while True:
            start = _JOIN.match(self.text, position).end()  # type: ignore[union-attr]
            taken = self.unmarked(start, position)
            if taken is None:
                return position
            position = taken

    def at_unmarked(self, start: int, position: int) -> int:
        """Look for an unmarked call at the start of a line; return where to go on."""
        taken = self.unmarked(start, position)
        if taken is not None:
            return self.at_fresh(taken)
        self.add(self.text[position:start])
        return start

    def unmarked(self, start: int, position: int) -> int | None:
        """Take the unmarked call at `start`, or pass over data; return where that ends, None for neither."""
        block, passed = self.tried(start)
        if block is None and passed <= start:
            return None
        self.add(self.text[position : passed if block is None else start])
        if block is not None:
            self.blocks += 1
            self.parts.append(block)
        return passed

    def tried(self, start: int) -> tuple[Block | None, int]:
        """Return the unmarked call at `start`, None for none, and where it or other data ends.

        What was read in vain is not read again: the time taken stays linear.
        """
        is_barred = start < self.read_in_vain or self.tries >= MAX_TRIES
        if is_barred or self.is_structured or start >= len(self.text) or self.is_reasoning:
            return None, start
        match = _MARKER.match(self.text, start)
        if match is not None and match.group().strip():
            return None, start  # a mark of a dialect, not a value
        self.tries += 1
        block, passed, reached = take_unmarked(self.source, start)
        if block is None and passed <= start:
            self.read_in_vain = reached
        return block, passed

    def at_reasoning(self, opener: str, position: int) -> int:
        """Begin reasoning; skip it whole unless calls may be in it."""
        self.is_reasoning = True
        if self.calls_in_reasoning:
            return position
        return self.at_fresh(self.skip_reasoning(position, (REASONING[opener],)))

    def skip_reasoning(self, position: int, closers: tuple[str, ...]) -> int:
        """Keep all up to the first of `closers` as reasoning; return where it ends."""
        found = [match for mark in closers if (match := self.source.search(_CLOSERS[mark], position))]
        closer = min(found, key=lambda match: match.start(), default=None)
        if closer is None:
            self.add(self.text[position:])
            return len(self.text)
        self.add(self.text[position : closer.start()])
        self.is_reasoning = False
        self.reasoning_ended = True
        return closer.end()

    def end_reasoning(self) -> None:
        """Reasoning ends here. Where nothing had begun it, all before this was reasoning."""
        if not self.is_reasoning:
            self.is_doubtful = self.is_doubtful or (self.reasoning_ended and self.blocks > 0)
            self.reasoning.extend(part if isinstance(part, str) else part.words for part in self.parts)
            kept = [part for part in self.parts if self.calls_in_reasoning and isinstance(part, Block)]
            self.parts, self.blocks = [*kept], len(kept)
        self.is_reasoning = False
        self.reasoning_ended = True

    def at_fence(self, start: int, position: int) -> int:
        """Take the calls of a fence that holds nothing else, or keep it as words; return where it ends."""
        if not _LINE_START.search(self.text, max(position, start - 40), start):
            self.add(self.text[position : start + len(_FENCE)])
            return start + len(_FENCE)
        info = _INFO.match(self.text, start)
        body = info.end() if info else start + len(_FENCE)
        block, _ = self.tried(body)
        if block is not None and (closed := _FENCE_END.match(self.text, block.end)):
            self.add(self.text[position:start] + _remarks(info.group() if info else "", is_opening=True))
            self.blocks += 1
            self.parts.append(replace(block, start=start, end=closed.end()))
            self.add(_remarks(closed.group()))
            return self.at_fresh(closed.end())
        close = self.source.search(_CLOSING_FENCE, max(body - 1, start + len(_FENCE)))
        end = close.end() if close else min(self.source.find(_FENCE, body) + len(_FENCE), len(self.text))
        self.add(self.text[position:end])
        return end


def _remarks(edge: str, *, is_opening: bool = False) -> str:
    """Return what an edge of a fence says in words: its label, if no code is called so, and comments.

    A comment with the result that a call may have says nothing of the call.
    """
    label, _, rest = edge.removeprefix(_FENCE).partition("\n") if is_opening else ("", "", edge)
    said = [comment for comment in _COMMENT.findall(rest) if not _RESULT.match(comment)]
    if label.strip().lower() not in _CODE_LABELS:
        said.insert(0, label.strip() + ":")
    return "".join(f"\n{each}\n" for each in said)


def is_in_code(text: str, place: int) -> bool:
    """Whether `place` is in inline code: behind an odd number of backticks on its line."""
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
