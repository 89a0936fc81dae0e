"""The shape of the network, and the names and sizes of its tensors in a GGUF file of the llama architecture."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of the network; `context_tokens` is what the exported file promises."""

    n_vocab: int
    n_layer: int = 4
    d_model: int = 128
    n_head: int = 4
    d_ff: int = 384
    context_tokens: int = 8192
    rope_base: float = 10_000.0
    epsilon: float = 1e-5
    is_tied: bool = True

    @property
    def d_head(self) -> int:
        """Return the width of one attention head."""
        return self.d_model // self.n_head

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Return every tensor's name and its (rows, columns) as llama.cpp expects them."""
        d, f = self.d_model, self.d_ff
        sizes: dict[str, tuple[int, ...]] = {
            "token_embd.weight": (self.n_vocab, d),
            "output_norm.weight": (d,),
        }
        if not self.is_tied:
            sizes["output.weight"] = (self.n_vocab, d)
        for layer in range(self.n_layer):
            block = {
                "attn_norm": (d,), "ffn_norm": (d,), "attn_q": (d, d), "attn_k": (d, d), "attn_v": (d, d),
                "attn_output": (d, d), "ffn_gate": (f, d), "ffn_up": (f, d), "ffn_down": (d, f),
            }  # fmt: skip
            sizes |= {f"blk.{layer}.{name}.weight": size for name, size in block.items()}
        return sizes

    def parameter_count(self) -> int:
        """Return the number of trained weights."""
        total = 0
        for size in self.tensors().values():
            total += size[0] * (size[1] if len(size) == 2 else 1)
        return total
