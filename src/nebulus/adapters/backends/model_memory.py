"""How much memory a model file takes when it is served here: an estimate, before anything is loaded."""

from msgspec import Struct

from nebulus.adapters.backends.gguf_header import GgufShape

CACHE_BYTES = 2
"""For one number of the cache: 16 bits. Source: llama.cpp, `--cache-type-k` and `-v`, default f16."""
BATCH_TOKENS = 512
"""Tokens that are evaluated at once. Source: llama.cpp, `--ubatch-size`, default 512."""
LOGIT_BYTES = 4
BASE_BYTES = 60_000_000
"""The process itself, with the code of llama.cpp. Source: measured, decision 0063."""


class MemoryNeed(Struct, frozen=True, kw_only=True):
    """What a model takes at a window, in bytes."""

    window_tokens: int
    weights_bytes: int
    cache_bytes: int
    overhead_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.weights_bytes + self.cache_bytes + self.overhead_bytes


def memory_need(shape: GgufShape, *, size_bytes: int, window_tokens: int) -> MemoryNeed:
    """Return what a model of `shape` and `size_bytes` takes at a window; the window at most what it was made for.

    weights: the file, which is mapped as it is. cache: window × layers × key-value heads × (key + value length) × 2
    bytes. overhead: the process, and the scores of all words for one batch, which is the largest of the buffers for
    computing. Layers that look back over less than the window (Gemma, Mistral) take less than this says; models with
    state in place of a cache (Mamba) too.

    Source: llama.cpp, `llama_kv_cache` (one K and one V tensor per layer, of n_embd_k_gqa and n_embd_v_gqa numbers for
    each token) and `llama_context::graph_reserve` (a graph for n_ubatch tokens with all outputs).
    """
    window = min(window_tokens, shape.context_tokens or window_tokens)
    return MemoryNeed(
        window_tokens=window,
        weights_bytes=size_bytes,
        cache_bytes=window * shape.cached_values * CACHE_BYTES,
        overhead_bytes=BASE_BYTES + BATCH_TOKENS * shape.vocabulary_tokens * LOGIT_BYTES,
    )
