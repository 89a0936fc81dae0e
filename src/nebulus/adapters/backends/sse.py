"""Streams as lines: server-sent events and lines of JSON, whatever the pieces they arrive in."""


class LineSplitter:
    """Turns chunks of bytes into whole lines. A line may span any number of chunks."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that `chunk` completes, without their ends."""
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        return [line.rstrip(b"\r") for line in lines]

    def finish(self) -> bytes:
        """Return what came after the last line end."""
        rest, self._rest = self._rest, b""
        return rest.strip()


def payload(line: bytes, *, is_bare: bool = False) -> bytes:
    """Return the JSON that a line of a stream carries; b"" for comments, event names, blanks and the end.

    `is_bare`: each line is JSON, without the dress of an event. Source: WHATWG HTML §9.2; `[DONE]` is
    OpenAI's end mark.
    """
    if is_bare:
        return line.strip()
    if not line.startswith(b"data:"):
        return b""
    data = line[5:].strip()
    return b"" if data == b"[DONE]" else data
