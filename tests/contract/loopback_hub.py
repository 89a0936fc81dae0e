"""A Hugging Face hub on this machine: the parts of its API that fetching a model uses, and what can go wrong there.

Source: the hub's API as huggingface_hub 2.4 speaks it (`HfApi.model_info`, `hf_raise_for_status`, `http_get`).
"""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

COMMIT = "a" * 40
ERRORS = {
    "gated": (403, "GatedRepo"),
    "missing": (404, "RepoNotFound"),
    "unauthorized": (401, ""),
    "down": (503, ""),
}


@dataclass
class LoopbackHub:
    """One repository, `files` by path. What goes wrong is set by the test."""

    files: dict[str, bytes]
    repo: str = "tests/tiny-GGUF"
    commit: str = COMMIT
    url: str = ""
    error: str = ""
    """One of ERRORS: how everything is answered."""
    cuts: list[int] = field(default_factory=list)
    """The next downloads are cut off after so many bytes."""
    announces: dict[str, str] = field(default_factory=dict)
    """Checksums by path that are announced in place of the true ones."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Sizes by path that are announced in place of the true ones."""
    has_checksums: bool = True
    storage: str = ""
    """The address of another server, to which requests for files are redirected."""
    tokens: list[str] = field(default_factory=list)
    """The Authorization of each request, "" where there was none."""
    ignores_range: bool = False
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and Range of each request."""

    def downloads(self) -> list[str]:
        """Return the Range of each request for a file."""
        return [asked for method, path, asked in self.requests if method == "GET" and "/resolve/" in path]

    def info(self) -> dict[str, Any]:
        """Return what the hub says of the repository."""
        siblings = [
            {
                "rfilename": path,
                "size": self.sizes.get(path, len(data)),
            }
            | (
                {"lfs": {"size": len(data), "sha256": self.checksum(path), "pointerSize": 134}}
                if self.has_checksums
                else {}
            )
            for path, data in self.files.items()
        ]
        return {"id": self.repo, "modelId": self.repo, "sha": self.commit, "siblings": siblings}

    def checksum(self, path: str) -> str:
        """Return the announced SHA-256 of a file."""
        return self.announces.get(path) or hashlib.sha256(self.files[path]).hexdigest()


@contextmanager
def serving_hub(hub: LoopbackHub) -> Iterator[LoopbackHub]:
    """Serve `hub` for the length of a block; its `url` is where."""

    class Handler(_Handler):
        served = hub

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    served: LoopbackHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(has_body=False)

    def do_GET(self) -> None:
        self._answer(has_body=True)

    def _answer(self, *, has_body: bool) -> None:
        hub, path = self.served, self.path.partition("?")[0]
        hub.requests.append((self.command, path, self.headers.get("Range", "")))
        hub.tokens.append(self.headers.get("Authorization", ""))
        if hub.storage and "/resolve/" in path:
            self._send(302, b"", {"Location": hub.storage + path}, has_body=has_body)
        elif hub.error:
            status, code = ERRORS[hub.error]
            self._send(status, b'{"error": "no"}', {"X-Error-Code": code} if code else {}, has_body=has_body)
        elif path == f"/api/models/{hub.repo}":
            self._send(
                200, msgspec.json.encode(hub.info()), {"Content-Type": "application/json"}, has_body=has_body
            )
        elif (match := re.fullmatch(rf"/{hub.repo}/resolve/{hub.commit}/(.+)", path)) and match[
            1
        ] in hub.files:
            self._send_file(match[1], has_body=has_body)
        else:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, has_body=has_body)

    def _send_file(self, path: str, *, has_body: bool) -> None:
        hub, data = self.served, self.served.files[path]
        headers = {
            "ETag": f'"{hub.checksum(path)}"',
            "X-Linked-ETag": f'"{hub.checksum(path)}"',
            "X-Linked-Size": str(len(data)),
            "X-Repo-Commit": hub.commit,
            "Accept-Ranges": "bytes",
        }
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and not hub.ignores_range else 0
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(206 if start else 200, data[start:], headers, has_body=has_body, cut=has_body)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], *, has_body: bool, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if not has_body:
            return
        if cut and self.served.cuts:
            self.wfile.write(body[: self.served.cuts.pop(0)])
            self.close_connection = True
            return
        self.wfile.write(body)
