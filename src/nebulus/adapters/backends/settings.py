"""What must be known to reach a model server. Imports no HTTP, so that reading settings stays cheap."""

import re
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from msgspec import Struct

BackendKind: TypeAlias = Literal["auto", "llama.cpp", "embedded", "openai", "anthropic"]
ToolForm: TypeAlias = Literal["auto", "template", "signatures", "schemas"]


_LOOPBACK = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1")
_CLOUD = re.compile(r"[:-]cloud$")


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
    """One model on one server. A number of 0 leaves the choice to the server, or to the size of the model."""

    kind: BackendKind
    """How it is spoken to.

    "llama.cpp" is any llama.cpp server by `url`; "embedded" starts one on the GGUF file at `path`; "openai" is
    any OpenAI-compatible server (Ollama, vLLM and LM Studio are recognised, and used in the way that loses
    least); "auto" is "llama.cpp" where such a server answers at `url`, else "openai"; "anthropic" speaks
    /v1/messages.
    """
    url: str = ""
    model: str = ""
    """Which of a server's models; may be empty where there is one."""
    path: str = ""
    """For "embedded": a file, or `hf:OWNER/REPO:QUANT`."""
    api_key_env: str = ""
    """The environment variable that contains the key."""
    window_tokens: int = 0
    """Narrows the server's own figure; on Ollama it sets it."""
    reasoning_tokens: int = 0
    """What requests will ask for; a server that can't do it is refused at its first use."""
    tool_form: ToolForm = "auto"
    """How tools reach the model. "auto": by its chat template if that takes tools, else as signatures."""
    chat_template: str = ""
    """For "embedded": a Jinja template, or the path of a file with one, in place of the model's own."""
    threads: int = 0
    """For "embedded"."""
    slots: int = 1
    """For "embedded": requests at a time."""
    answer_limits: AnswerLimits = DEFAULT_LIMITS
    timeout_s: float = 600.0
    """The time for all that one answer takes: probing, rendering, a thought and the answer itself."""
    connect_timeout_s: float = 5.0
    start_timeout_s: float = 120.0
    """For "embedded": the time to load the model."""

    @property
    def leaves_machine(self) -> bool:
        """Whether prompts go to another machine: by the address, or since Ollama runs the model in its cloud.

        Source: https://docs.ollama.com/cloud, where the tags of such models end with "cloud".
        """
        if not self.url:
            return False
        host = (urlsplit(self.url).hostname or "").lower()
        return _LOOPBACK.fullmatch(host) is None or _CLOUD.search(self.model) is not None


def is_template(chat_template: str) -> bool:
    """Whether a setting `chat_template` is a Jinja template, and not the path of a file with one."""
    return "{{" in chat_template or "{%" in chat_template
