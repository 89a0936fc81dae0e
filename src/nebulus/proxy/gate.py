"""What of an answer may be sent to a client while it is still being written.

Invariants: text that may be part of a call, or the beginning of one, is held back until the whole answer was parsed;
what was released is never taken back. Holding too much costs only time; `calls.read` decides at the end.
"""

import re
from collections.abc import Iterable, Sequence

from nebulus.calls.scan import ENDS, MARKERS, REASONING

_FENCE = "```"
_HEADERS = (
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|im_start|>",
    "<|begin_of_text|>",
    "<|header_start|>",
)
_MARKS = (*MARKERS, *ENDS, *_HEADERS)
_PREFIXES = frozenset(mark[:length] for mark in (*_MARKS, _FENCE) for length in range(1, len(mark)))
_FIRST = frozenset(mark[0] for mark in _PREFIXES)
_LONGEST = max(map(len, _MARKS))
_OPENS = re.compile(
    "|".join(map(re.escape, sorted({*_MARKS, _FENCE}, key=len, reverse=True)))
    + r"|(?:(?<=\n)|\A)[ \t]*+(?:[{\[(`](?!``)|[A-Za-z_][\w.\-:/]*+(?=[ \t]{0,16}+(?:[({]|\n[ \t]{0,64}+\{)))"
)
"""Where a call may begin: at a mark, or at a bracket or a name that opens a line. Blanks after a name are bounded."""
_LINE = re.compile(r"(?:(?<=\n)|\A)[ \t]*(?:(?P<name>[A-Za-z_][\w.\-:/]*)[ \t]*)?(?:\n[ \t]*)?\Z")
"""The end of a text that may still become the line of a call."""
_CALL_KEYS = re.compile(r"""['"](?:name|tool|tool_name|function|action|arguments|parameters)['"]""")
_FENCE_HEAD = re.compile(r"```[^\n]*\n(?:\s*(?:#|//)[^\n]*\n)*\s*(?:return\s+)?(?=\S)")
_FENCE_NAME = re.compile(r"[A-Za-z_][\w.\-:/]*\s*")
_FENCE_END = re.compile(r"\n[ \t>]*```")
_BACKTICKS = re.compile(r"`{1,2}\Z")
"""What may become the beginning of a fence."""
_FORGOTTEN_CHARS = 1 << 16
"""Decided text is dropped once there is so much of it."""
_DECIDED = "\0"
"""Put in the place of the beginning of a line that was dropped: no call opens there."""
_PRINTING = ("print", "return")
_CLOSING = {"{": "}", "[": "]", "(": ")"}


class StopCutter:
    """Ends a streamed text at the first of some stop sequences, which are not part of it."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.hit = ""
        """The stop sequence that ended the text, "" if none did."""

    def feed(self, piece: str) -> str:
        """Take the next piece; return what is certainly before any stop sequence."""
        if self.hit:
            return ""
        text = self._held + piece
        places = [(at, stop) for stop in self._stops if (at := text.find(stop)) >= 0]
        if places:
            at, self.hit = min(places)
            self._held = ""
            return text[:at]
        kept = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def finish(self) -> str:
        """Return what was held back: the text ended without becoming a stop sequence."""
        held, self._held = self._held, ""
        return held


class TextGate:
    """Releases the text of an answer piece by piece, up to where a call may begin.

    Without tools there can be no call, and all text is released at once.
    """

    def __init__(self, tools: Iterable[str]) -> None:
        self._names = tuple(tools)
        self._text = ""
        self._unseen: list[str] = []
        self._unseen_chars = 0
        self._at = 0
        """How much of the text is decided: released, or left out as a thought."""
        self._released: list[str] = []
        self._fence = False
        self._thought = ""
        self._has_thought = False
        self._look_again_at = 0
        """How long the text must be before what is held is looked at again, once it has grown by a fifth: so the time that
        all pieces take together stays linear."""
        self.is_closed = False
        """Whether a call may have begun: nothing more is released."""

    @property
    def released(self) -> str:
        """All that was released so far."""
        return "".join(self._released)

    def feed(self, piece: str) -> str:
        """Take the next piece of text; return what may be sent now."""
        if not self._names:
            self._released.append(piece)
            return piece
        if self.is_closed:
            return ""
        self._unseen.append(piece)
        self._unseen_chars += len(piece)
        if len(self._text) + self._unseen_chars < self._look_again_at:
            return ""
        self._text += "".join(self._unseen)
        self._unseen, self._unseen_chars = [], 0
        before = len(self._released)
        while self._step():
            continue
        self._look_again_at = len(self._text) + (len(self._text) - self._at) // 5
        self._forget_released()
        return "".join(self._released[before:])

    def _forget_released(self) -> None:
        """Drop text that is decided, but for its last line, which says what may follow in it."""
        if self._at < _FORGOTTEN_CHARS:
            return
        line = self._text.rfind("\n", 0, self._at)
        is_near = line >= 0 and self._at - line < _FORGOTTEN_CHARS // 2
        kept = self._text[line:] if is_near else _DECIDED + self._text[self._at - 1 :]
        self._look_again_at -= len(self._text) - len(kept)
        self._at -= len(self._text) - len(kept)
        self._text = kept

    def _step(self) -> bool:
        """Decide about the next part of the text; whether there may be more to decide."""
        if self.is_closed or self._at >= len(self._text):
            return False
        if self._thought:
            return self._in_thought()
        if self._fence:
            return self._in_fence()
        match = _OPENS.search(self._text, self._at)
        if match is None:
            self._release(self._safe_end())
            return False
        return self._at_opening(match)

    def _release(self, end: int) -> None:
        text = self._text[self._at : end]
        if not self._released and self._has_thought:
            text = text.lstrip()  # white space between a thought and the answer
        if text:
            self._released.append(text)
        self._at = max(self._at, end)

    def _safe_end(self) -> int:
        """Return how far the text is certainly words: up to what may become a mark or the line of a call."""
        end = len(self._text)
        line = _LINE.search(self._text, self._at)
        if line is not None and self._may_become_call(line):
            end = line.start()
        start = max(self._at, len(self._text) - _LONGEST)
        tail = self._text[start:]
        for place, char in enumerate(tail):
            if char in _FIRST and tail[place:] in _PREFIXES:
                return min(end, start + place)
        return end

    def _may_become_call(self, line: re.Match[str]) -> bool:
        """Whether the last line is blank, a name that is not complete, or the name of a tool."""
        name = line["name"]
        return name is None or line.end("name") == len(self._text) or self._may_be_tool(name)

    def _may_be_tool(self, name: str) -> bool:
        parts = (name, *re.split(r"[.:/]", name))
        return any(part in self._names or part in _PRINTING for part in parts)

    def _at_opening(self, match: re.Match[str]) -> bool:
        mark, start = match.group(), match.start()
        if mark in REASONING and not self._released and not self._text[:start].strip():
            self._thought, self._at = REASONING[mark], match.end()
            return True
        if mark == _FENCE:
            return self._at_fence(start)
        bare = mark.strip()
        if bare in (*_CLOSING, "`"):
            return self._at_bracket(match.end() - 1, start, bare)
        if mark in _MARKS:
            return self._close(start)
        if self._may_be_tool(bare):
            return self._close(start)
        self._release(match.end())
        return True

    def _close(self, start: int) -> bool:
        self._release(start)
        self.is_closed = True
        return False

    def _at_bracket(self, place: int, start: int, bracket: str) -> bool:
        """Hold a value in brackets until it ends; release it if it names no tool and has no key of a call."""
        end = _value_end(self._text, place) if bracket != "`" else self._text.find("`", place + 1) + 1
        if end <= 0 or _BACKTICKS.match(self._text, place):
            self._release(start)
            return False
        if self._is_like_call(self._text[place:end]):
            return self._close(start)
        self._release(end)
        return True

    def _is_like_call(self, text: str) -> bool:
        return any(name in text for name in self._names) or _CALL_KEYS.search(text) is not None

    def _at_fence(self, start: int) -> bool:
        """Pass a fence that begins with anything but a value or a call of a tool."""
        line = self._text[self._text.rfind("\n", 0, start) + 1 : start]
        if line.strip(" \t>"):
            self._release(start + len(_FENCE))
            return True
        head = _FENCE_HEAD.match(self._text, start)
        if head is None:
            self._release(start)
            return False
        if any(bracket in self._text[start : self._text.find("\n", start)] for bracket in "{[("):
            return self._close(start)
        if self._text[head.end()] in "{[(":
            return self._at_fenced_value(start, head.end())
        name = _FENCE_NAME.match(self._text, head.end())
        if name is not None and name.end() == len(self._text):
            self._release(start)
            return False
        word = name.group().strip() if name else ""
        if name is not None and self._text[name.end()] in "({" and self._may_be_tool(word):
            return self._close(start)
        self._release(head.end())
        self._fence = True
        return True

    def _at_fenced_value(self, start: int, body: int) -> bool:
        closed = _FENCE_END.search(self._text, body)
        if closed is None:
            self._release(start)
            return False
        if self._is_like_call(self._text[body : closed.end()]):
            return self._close(start)
        self._release(closed.end())
        return True

    def _in_fence(self) -> bool:
        closed = _FENCE_END.search(self._text, max(self._at - 1, 0))
        if closed is None:
            last = self._text.rfind("\n", self._at)
            is_open = last >= 0 and not self._text[last + 1 :].strip(" \t>`")
            self._release(last if is_open else len(self._text))
            return False
        self._release(closed.end())
        self._fence = False
        return True

    def _in_thought(self) -> bool:
        end = self._text.lower().find(self._thought.lower(), self._at)
        if end < 0:
            return False
        self._text, self._at = self._text[end + len(self._thought) :], 0
        self._thought, self._has_thought = "", True
        return True


def unsent(sent: str, words: str, *, written: str = "") -> str:
    """Return the part of `words` that comes after what was `sent`, which may have more white space at its edges.

    Where they part, it is the rest of `written`, the whole text of an answer that is only words.
    """
    for known in (sent, sent.lstrip()):
        if words.startswith(known):
            return words[len(known) :]
    if not sent.strip():
        return words
    return written[len(sent) :] if written.startswith(sent) else ""


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of `text` may be the beginning of `stop`."""
    most = min(len(text), len(stop) - 1)
    return next((length for length in range(most, 0, -1) if text.endswith(stop[:length])), 0)


def _value_end(text: str, start: int) -> int:
    """Return where the value in brackets at `start` ends, 0 if it does not end in `text`."""
    closers: list[str] = []
    quoted = False
    position = start
    while position < len(text):
        char = text[position]
        if quoted:
            position += char == "\\"
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif char in _CLOSING:
            closers.append(_CLOSING[char])
        elif closers and char == closers[-1]:
            closers.pop()
            if not closers:
                return position + 1
        position += 1
    return 0
