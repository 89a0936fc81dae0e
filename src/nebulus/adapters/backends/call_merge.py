"""Calls that come in pieces, put together by index *and* id.

Invariants: two calls are never joined. A new id opens a new call, even on an index that is in use (Ollama gives
every parallel call index 0); without an id, a name on an index that has a named call opens a new one;
a name is never appended to a name.
"""

from nebulus.adapters.backends.bounds import check_calls
from nebulus.core.answers import RawCall


class _Open:
    def __init__(self, index: int, call_id: str, name: str) -> None:
        self.index = index
        self.call_id = call_id
        self.name = name
        self.pieces: list[str] = []


class CallMerger:
    """Collects the pieces of one answer's calls, in the order in which the calls began."""

    def __init__(self) -> None:
        self._calls: list[_Open] = []

    def add(self, index: int, *, call_id: str = "", name: str = "", arguments: str = "") -> None:
        """Take one piece; each of its parts may be empty.

        Raises:
            BackendError: there are too many calls.
        """
        call = self._find(index, call_id, name)
        if call is None:
            call = _Open(index, call_id, name)
            self._calls.append(call)
            check_calls(len(self._calls))
        call.call_id = call.call_id or call_id
        call.name = call.name or name
        if arguments:
            call.pieces.append(arguments)

    def calls(self) -> tuple[RawCall, ...]:
        """Return what was collected; the arguments are verbatim, valid or not."""
        return tuple(RawCall(call.name, "".join(call.pieces), call.call_id) for call in self._calls)

    def _find(self, index: int, call_id: str, name: str) -> _Open | None:
        for call in reversed(self._calls):
            if call.index != index:
                continue
            if call_id and call.call_id:
                if call.call_id == call_id and (not name or name == call.name or not call.name):
                    return call
                continue
            return None if name and call.name and not call_id else call
        return None
