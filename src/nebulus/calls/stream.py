"""The same reader for an answer that comes in pieces.

Invariant: the reading does not depend on where the stream was split; nothing is read before the end, because
only the end tells whether an answer was cut.
"""

from collections.abc import Sequence

from nebulus.calls.acceptance import Needed, by_effect
from nebulus.calls.reader import read
from nebulus.calls.text import DEFAULT, ReaderProfile
from nebulus.core.answers import FinishReason, ModelAnswer, RawCall
from nebulus.core.findings import Reading
from nebulus.core.tools import ToolSpec


class StreamReader:
    """Collects pieces of text, of reasoning and of the server's own calls, and reads them when closed."""

    def __init__(
        self,
        tools: Sequence[ToolSpec],
        *,
        shown: str = "",
        profile: ReaderProfile = DEFAULT,
        needed: Needed = by_effect,
    ) -> None:
        self._tools = tuple(tools)
        self._shown = shown
        self._profile = profile
        self._needed = needed
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[_Growing] = []

    def feed(self, piece: str) -> None:
        """Take the next piece of text."""
        self._text.append(piece)

    def feed_reasoning(self, piece: str) -> None:
        """Take the next piece of reasoning that the server told apart."""
        self._reasoning.append(piece)

    def feed_call(self, index: int, *, call_id: str = "", name: str = "", arguments: str = "") -> None:
        """Take the next piece of the server's call at `index`.

        A new id begins a new call even at a known index: some servers give every parallel call index 0.
        Source: huggingface/smolagents#1958 and NousResearch/hermes-agent#3468.
        """
        known = next((call for call in reversed(self._calls) if call.index == index), None)
        if known is None or (call_id and known.call_id and call_id != known.call_id):
            known = _Growing(index, call_id)
            self._calls.append(known)
        known.call_id = known.call_id or call_id
        if name and name != known.name:
            known.name += name
        known.arguments.append(arguments)

    def close(self, finish: FinishReason = FinishReason.STOP) -> Reading:
        """Return the reading of all that came.

        Raises:
            ToolDefinitionError: the schema of a tool that was called can't be compiled.
        """
        calls = tuple(RawCall(call.name, "".join(call.arguments), call.call_id) for call in self._calls)
        answer = ModelAnswer(
            text="".join(self._text), reasoning="".join(self._reasoning), calls=calls, finish=finish
        )
        return read(answer, self._tools, shown=self._shown, profile=self._profile, needed=self._needed)


class _Growing:
    """One call of the server's while it grows."""

    def __init__(self, index: int, call_id: str) -> None:
        self.index = index
        self.call_id = call_id
        self.name = ""
        self.arguments: list[str] = []
