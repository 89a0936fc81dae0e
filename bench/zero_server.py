"""A model server that costs as little as it can: one fixed call to every chat request, sizes counted.

    python bench/zero_server.py PORT

GET /stats returns {"sizes": [bytes of each chat request's body]}, GET /reset forgets them.
"""

import asyncio
import json
import sys
from typing import ClassVar

CALL = {"id": "c1", "type": "function", "function": {"name": "lookup", "arguments": '{"key": "k1"}'}}
ANSWER = {
    "id": "a",
    "object": "chat.completion",
    "model": "scripted",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": None, "tool_calls": [CALL]},
        }
    ],
}
MODELS = {"object": "list", "data": [{"id": "scripted", "object": "model"}]}


class Connection(asyncio.Protocol):
    """One keep-alive connection; `sizes` is shared by all."""

    sizes: ClassVar[list[int]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with nothing received."""
        self._transport, self._data = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in what was received."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].decode("latin-1")
            length = next(
                (
                    int(line.split(":")[1])
                    for line in head.lower().splitlines()
                    if line.startswith("content-length:")
                ),
                0,
            )
            if len(self._data) < end + 4 + length:
                return
            self._data = self._data[end + 4 + length :]
            self._answer(head.split(" ", 2)[1], length)

    def _answer(self, path: str, length: int) -> None:
        status, body = b"200 OK", b""
        match path:
            case "/v1/chat/completions":
                self.sizes.append(length)
                usage = {"prompt_tokens": max(1, length // 4), "completion_tokens": 12}
                body = json.dumps({**ANSWER, "usage": usage}).encode()
            case "/v1/models":
                body = json.dumps(MODELS).encode()
            case "/stats":
                body = json.dumps({"sizes": self.sizes}).encode()
            case "/reset":
                self.sizes.clear()
            case _:
                status = b"404 Not Found"
        head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (
            status,
            len(body),
        )
        self._transport.write(head + body)  # type: ignore[attr-defined]


async def serve(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
