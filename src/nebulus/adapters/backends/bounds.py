"""How much of an answer is read: whole answers, error bodies and lines are capped, compressed or not.

Invariants: decompressed bytes are counted, and never more than one piece is decompressed at a time; reaching
a cap is a failure that names the cap, the figure and the setting.
"""

import zlib
from collections.abc import Iterator

from nebulus.adapters.backends.faults import failure, malformed
from nebulus.core.errors import BackendError
from nebulus.core.failure import FailureKind

PIECE_BYTES = 64 * 1024
"""The most that is decompressed at a time."""

MOST_ITEMS = 400_000
"""The most values in one JSON body: `[{},{},…` takes twenty times its size once it is decoded."""
MOST_CALLS = 1000
"""The most calls, or blocks, in one streamed answer."""

_PLAIN = frozenset({"", "identity"})
_ZLIB = frozenset({"gzip", "x-gzip", "deflate"})
_DETECT_HEADER = zlib.MAX_WBITS | 32
"""Either header, gzip's or zlib's. Source: zlib manual, inflateInit2."""


def over_limit(setting: str, limit_bytes: int) -> BackendError:
    """Return the error of an answer that is longer than a limit of `AnswerLimits`."""
    return BackendError(
        failure(
            FailureKind.TRUNCATED,
            f"the server's answer is longer than answer_limits.{setting} allows, so it was not read to its end",
            value=f"{limit_bytes} bytes",
            fix=f"raise answer_limits.{setting} if the server is to be trusted with more",
        )
    )


def check_items(body: bytes | bytearray) -> None:
    """Look at a JSON body before it is decoded.

    Raises:
        BackendError: it may contain more values than `MOST_ITEMS`.
    """
    items = body.count(b",") + body.count(b"{") + body.count(b"[")
    if items > MOST_ITEMS:
        raise BackendError(
            failure(
                FailureKind.MALFORMED_ANSWER,
                "the server's answer consists of too many values to be decoded",
                value=f"{items} values, {MOST_ITEMS} are the most",
            )
        )


def check_calls(count: int) -> None:
    """Look at the number of calls that a stream has begun.

    Raises:
        BackendError: there are more than `MOST_CALLS`.
    """
    if count > MOST_CALLS:
        raise BackendError(
            failure(
                FailureKind.MALFORMED_ANSWER,
                "the server's answer contains too many calls",
                value=f"{MOST_CALLS} are the most",
            )
        )


class ContentDecoder:
    """Decodes the body of one response in pieces. Nothing is compressed that we asked for, yet servers do it.

    Raises:
        BackendError: by a compression that can't be decoded here.
    """

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in _PLAIN | _ZLIB:
            raise BackendError(
                failure(
                    FailureKind.MALFORMED_ANSWER,
                    "the server compressed its answer in a way that it was not asked for",
                    value=name[:40],
                    fix="switch compression off in the server or the proxy in front of it",
                )
            )
        self._inflate = None if name in _PLAIN else zlib.decompressobj(_DETECT_HEADER)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what `chunk` decodes to, in pieces of at most `PIECE_BYTES` where it was compressed.

        Raises:
            BackendError: it is damaged.
        """
        if self._inflate is None:
            yield chunk
            return
        try:
            while chunk:
                piece = self._inflate.decompress(chunk, PIECE_BYTES)
                chunk = self._inflate.unconsumed_tail
                if self._inflate.eof and not chunk and self._inflate.unused_data:
                    chunk = self._inflate.unused_data  # gzip may consist of several members
                    self._inflate = zlib.decompressobj(_DETECT_HEADER)
                if piece:
                    yield piece
        except zlib.error as error:
            raise BackendError(malformed("the server's answer can't be decompressed", str(error))) from error


class LineSplitter:
    """Turns chunks of bytes into whole lines. A line may span any number of chunks, up to `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that `chunk` completes, without their ends.

        Raises:
            BackendError: a line is longer than the limit.
        """
        first, *others = chunk.split(b"\n")
        self._rest += first
        self._check(len(self._rest))
        if not others:
            return []
        lines = [bytes(self._rest), *others[:-1]]
        self._rest = bytearray(others[-1])
        self._check(max(map(len, others)))
        return [line.rstrip(b"\r") for line in lines]

    def finish(self) -> bytes:
        """Return what came after the last line end."""
        rest, self._rest = bytes(self._rest), bytearray()
        return rest.strip()

    def _check(self, length: int) -> None:
        if length > self._limit_bytes:
            raise over_limit("max_line_bytes", self._limit_bytes)
