"""Servers on this machine's usual ports: what they are and what they serve."""

import asyncio

from msgspec import Struct

from nebulus.adapters.backends.http import HttpClient
from nebulus.adapters.backends.probe import Flavour, ServedModel, probe
from nebulus.core.errors import BackendError
from nebulus.core.failure import FailureKind

USUAL_PORTS = (11434, 8080, 8000, 1234)
"""Ollama, llama.cpp's server, vLLM, LM Studio. Source: the defaults in their documentation."""

PROBE_TIMEOUT_S = 2.0


class FoundServer(Struct, frozen=True, omit_defaults=True):
    """A server that answers. `problem` says why its models can't be listed, "" if they can."""

    url: str
    flavour: Flavour = Flavour.OTHER
    models: tuple[ServedModel, ...] = ()
    problem: str = ""


async def discover(
    ports: tuple[int, ...] = USUAL_PORTS, *, timeout_s: float = PROBE_TIMEOUT_S
) -> list[FoundServer]:
    """Ask all `ports` of this machine at once; return the servers that answered, in the order of the ports.

    Something that answers, but no list of models, is returned with its problem. Never raises for a server.
    """
    found = await asyncio.gather(*(_look_at(f"http://127.0.0.1:{port}", timeout_s) for port in ports))
    return [server for server in found if server is not None]


async def _look_at(url: str, timeout_s: float) -> FoundServer | None:
    http = HttpClient(url, timeout_s=timeout_s, connect_timeout_s=timeout_s)
    try:
        facts = await probe(http)
    except BackendError as error:
        if error.failure.kind in (FailureKind.TRANSIENT, FailureKind.TIMEOUT):
            return None
        return FoundServer(url, problem=error.failure.sentence())
    finally:
        await http.close()
    return FoundServer(url, facts.flavour, facts.models)
