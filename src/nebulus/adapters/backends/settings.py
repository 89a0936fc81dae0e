"""What must be known to reach a model server. Imports no HTTP, so that reading settings stays cheap."""

from typing import Literal, TypeAlias

from msgspec import Struct

BackendKind: TypeAlias = Literal["llama.cpp", "embedded", "openai", "anthropic"]


class AnswerLimits(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How much of what a server sends is read, in bytes after decompression.

    An answer or a line that is longer is a failure; an error body is cut. A streamed answer counts with its
    events, 150 to 300 bytes a token with most servers: raise `max_answer_bytes` for answers of more than
    25,000 tokens.
    """

    max_answer_bytes: int = 8 * 1024 * 1024
    max_error_bytes: int = 64 * 1024
    max_line_bytes: int = 1024 * 1024


DEFAULT_LIMITS = AnswerLimits()


class BackendSettings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model on one server.

    `kind`: "llama.cpp" is any llama.cpp server by `url`; "embedded" starts one from the GGUF at `path`;
    "openai" is any OpenAI-compatible server (Ollama, vLLM and LM Studio are recognised and treated by
    their own truth); "anthropic" speaks /v1/messages. `model` may be empty where the server has just
    one. `api_key_env` names the environment variable that holds the key. `window_tokens` 0 takes the
    server's own figure; otherwise it narrows it, and on Ollama it sets it. `reasoning_tokens` is what requests will
    ask for: a server that can't carry it out is refused at its first use. `threads` and `slots` (requests at a
    time) matter for "embedded" alone; `threads` 0 fits the size of the model.
    """

    kind: BackendKind
    url: str = ""
    model: str = ""
    path: str = ""
    api_key_env: str = ""
    window_tokens: int = 0
    reasoning_tokens: int = 0
    threads: int = 0
    slots: int = 1
    answer_limits: AnswerLimits = DEFAULT_LIMITS
    timeout_s: float = 600.0
    connect_timeout_s: float = 5.0
    start_timeout_s: float = 120.0
