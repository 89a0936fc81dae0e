"""llama.cpp's own server on a GGUF file with another chat template, in a process of its own.

Runs as `python -m tests.contract.template_server MODEL.gguf PORT TEMPLATE`, and ends with its standard input.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

END = "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
SWITCHED = "{%- if enable_thinking is defined and not enable_thinking %}{{- '<think>\\n\\n</think>\\n\\n' }}"
THINKING = {
    "no word of thoughts": "",
    "a switch": SWITCHED + "{%- endif %}",
    "a switch, else open": SWITCHED + "{%- else %}{{- '<think>\\n' }}{%- endif %}",
    "always open": "{{- '<think>\\n' }}",
}
"""What chat templates write at the end of a prompt: as Llama 3, Qwen3, Qwen3.5, and DeepSeek-R1 do."""


def with_thinking(template: str, kind: str) -> str:
    """Return a template whose prompts end as those of a kind in `THINKING`."""
    assert END in template
    return template.replace(END, END.replace("{%- endif %}", THINKING[kind] + "{%- endif %}"))


@asynccontextmanager
async def template_server(model: Path, template: str) -> AsyncIterator[str]:
    """Serve `model` with `template` for the length of a block; yield the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "tests.contract.template_server", str(model), str(port), template]
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=nowhere)
    try:
        assert child.stdout is not None
        assert await child.stdout.readline() == b"ready\n"
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def main() -> None:
    """Serve until standard input ends."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.port, params.chat_template = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    params.hostnames, params.n_ctx, params.n_parallel = ["127.0.0.1"], 4096, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.use_jinja, params.ui, params.fit_params, params.verbosity = True, False, False, 0
    server = xllamacpp.Server(params)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    del server


if __name__ == "__main__":
    main()
