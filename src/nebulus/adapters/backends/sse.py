"""What a line of a stream carries: server-sent events, and lines of JSON."""


def payload(line: bytes, *, is_bare: bool = False) -> bytes:
    """Return the JSON that a line of a stream carries; b"" for comments, event names, blanks and the end.

    `is_bare`: each line is JSON, without the field names of an event. Source: WHATWG HTML §9.2; `[DONE]` is
    OpenAI's end mark.
    """
    if is_bare:
        return line.strip()
    if not line.startswith(b"data:"):
        return b""
    data = line[5:].strip()
    return b"" if data == b"[DONE]" else data
