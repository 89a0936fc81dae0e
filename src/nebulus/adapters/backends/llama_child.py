"""The child process that runs llama.cpp's own server on one model: native code lives here alone.

It prints one line when it serves, and ends when its standard input does: however its parent dies, the
kernel closes that pipe. Runs as `python -m nebulus.adapters.backends.llama_child <settings as JSON>`.
"""

import os
import sys
from pathlib import Path

import msgspec
import xllamacpp

from nebulus.adapters.backends.child_settings import EXIT_NO_SERVER, READY, ChildSettings

CACHE_MIB = 256
"""Prompts of earlier runs are kept up to this size, so that going back to one costs nothing."""


def parameters(settings: ChildSettings) -> xllamacpp.CommonParams:
    """Return llama.cpp's parameters: this machine only, no web page, no guessing, no words."""
    params = xllamacpp.CommonParams()
    params.model.path = settings.path
    params.model_alias = {Path(settings.path).name}
    params.hostnames = ["127.0.0.1"]
    params.port = settings.port
    params.n_ctx = settings.window_tokens * settings.slots
    params.n_parallel = settings.slots
    if settings.threads:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
    if settings.chat_template:
        params.chat_template = settings.chat_template
    params.use_jinja = True
    params.ui = False
    params.endpoint_slots = True
    params.fit_params = False
    params.cache_ram_mib = CACHE_MIB
    params.verbosity = 0
    return params


def serve(settings: ChildSettings) -> int:
    """Serve until standard input ends; return the exit code."""
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # the native server writes to both streams at will
    os.dup2(nowhere, 2)
    try:
        server = xllamacpp.Server(parameters(settings))
    except RuntimeError:
        return EXIT_NO_SERVER
    os.write(out, READY)
    sys.stdin.buffer.read()
    del server
    return 0


if __name__ == "__main__":
    os._exit(serve(msgspec.json.decode(sys.argv[1], type=ChildSettings)))
