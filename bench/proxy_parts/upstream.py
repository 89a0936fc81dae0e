"""A model server that costs as little as it can: a fixed call, or a text in 100 chunks if it is to stream.

python -m bench.proxy_parts.upstream PORT
"""

import asyncio
import json
import sys

CALL = {"id": "c1", "type": "function", "function": {"name": "lookup", "arguments": '{"key": "k1"}'}}
USAGE = {"prompt_tokens": 20_000, "completion_tokens": 12}
MESSAGE = {"role": "assistant", "content": None, "tool_calls": [CALL]}
WHOLE = {
    "id": "a",
    "object": "chat.completion",
    "model": "scripted",
    "choices": [{"index": 0, "finish_reason": "tool_calls", "message": MESSAGE}],
    "usage": USAGE,
}
CHUNKS = 100


def _chunk(delta: dict, finish: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({'id': 'a', 'model': 'scripted', 'choices': [choice], **more})}\n\n".encode()


BODY = json.dumps(WHOLE).encode()
MODELS = json.dumps({"object": "list", "data": [{"id": "scripted", "object": "model"}]}).encode()
STREAM = (
    _chunk({"role": "assistant", "content": ""})
    + b"".join(_chunk({"content": f"word {n} "}) for n in range(CHUNKS))
    + _chunk({}, "stop", usage=USAGE)
    + b"data: [DONE]\n\n"
)


class Connection(asyncio.Protocol):
    """One connection; several requests may follow one another."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with nothing received."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._data = transport, bytearray()

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in what was received."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._data[:end]).lower()
            place = head.find(b"content-length:")
            length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
            if len(self._data) < end + 4 + length:
                return
            body = bytes(self._data[end + 4 : end + 4 + length])
            del self._data[: end + 4 + length]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"get"):
            is_known = b"/v1/models" in head.split(b"\r\n", 1)[0]
            self._send(MODELS if is_known else b"{}", b"200 OK" if is_known else b"404 Not Found")
        elif b'"stream":true' in body.replace(b" ", b""):
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            self._transport.write(head + b"Content-Length: %d\r\n\r\n" % len(STREAM) + STREAM)
        else:
            self._send(BODY)

    def _send(self, body: bytes, status: bytes = b"200 OK") -> None:
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
            status,
            len(body),
        )
        self._transport.write(head + body)


async def serve(port: int) -> None:
    """Serve until the process ends."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
