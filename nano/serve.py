"""Serves a GGUF file with llama.cpp's own HTTP server in a process of its own.

python -m nano.serve MODEL.gguf PORT
"""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(model: Path) -> Iterator[str]:
    """Serve a model for the length of a block; yield the base URL. Raises: RuntimeError if it does not start."""
    port = free_port()
    command = [sys.executable, "-m", "nano.serve", str(model), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            line = server.stdout.readline() if server.stdout else ""
            if not line.startswith("ready"):
                raise RuntimeError(
                    f"the server did not start with {model}; run {' '.join(command)} to see why"
                )
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def main() -> None:
    """Serve until told to stop: one thread (a small network loses with more), two slots of 8,192 tokens."""
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path, settings.port = sys.argv[1], int(sys.argv[2])
    settings.hostnames = ["127.0.0.1"]
    settings.n_ctx, settings.n_parallel = 16384, 2
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.use_jinja, settings.ui, settings.fit_params, settings.verbosity = True, False, False, 2
    server = xllamacpp.Server(settings)
    print(f"ready {server.listening_address}", flush=True)
    signal.sigwait([signal.SIGTERM, signal.SIGINT])


if __name__ == "__main__":
    main()
