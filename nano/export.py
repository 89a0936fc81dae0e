"""Writes a GGUF file that llama.cpp serves: weights, vocabulary and a chat template with tools.

Invariants: the file needs nothing but itself; the template is of the Hermes / Qwen 2.5 form, so that the server's
own tool-call parser reads the answers. Needs numpy and gguf; not torch.

    python -m nano.export --random OUT.gguf       an untrained network of the same shape, for protocol tests
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nano import tokens
from nano.shape import Shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TEMPLATE: Final = (
    "{%- if tools %}{{- '<|im_start|>system\\n' }}"
    "{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}"
    "{{- '# Tools\\n<tools>' }}"
    "{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}"
    "{{- '\\n</tools>\\nCall a tool as\\n<tool_call>\\n"
    '{"name": <function-name>, "arguments": <args-json-object>}'
    "\\n</tool_call><|im_end|>\\n' }}"
    "{%- elif messages[0].role == 'system' %}"
    "{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{%- endif %}"
    "{%- for m in messages %}"
    "{%- if m.role == 'user' or (m.role == 'system' and not loop.first) %}"
    "{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    "{%- elif m.role == 'assistant' %}{{- '<|im_start|>assistant' }}"
    "{%- if m.content %}{{- '\\n' + m.content }}{%- endif %}"
    "{%- for tc in (m.tool_calls or []) %}{%- if tc.function %}{%- set tc = tc.function %}{%- endif %}"
    '{{- \'\\n<tool_call>\\n{"name": "\' + tc.name + \'", "arguments": \' }}'
    "{{- tc.arguments | tojson }}{{- '}\\n</tool_call>' }}{%- endfor %}"
    "{{- '<|im_end|>\\n' }}"
    "{%- elif m.role == 'tool' %}"
    "{%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}"
    "{{- '\\n<tool_response>\\n' + m.content + '\\n</tool_response>' }}"
    "{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}"
    "{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def write(
    path: Path, shape: Shape, weights: Mapping[str, "NDArray[np.float32]"], *, name: str, vocabulary: Path
) -> None:
    """Write the file whole, then put it in place, so that a reader never sees half a model.

    Matrices are stored as 16-bit floats, vectors as 32-bit. Raises: ValueError when the weights do not fit the shape.
    """
    import gguf
    import numpy as np

    wanted, given = shape.tensors(), {key: tuple(value.shape) for key, value in weights.items()}
    if wanted != given:
        odd = sorted(set(wanted.items()) ^ set(given.items()))
        raise ValueError(f"the weights do not fit the shape; first difference: {odd[0]!r}")
    part = path.with_suffix(".part")
    writer = gguf.GGUFWriter(str(part), "llama")
    writer.add_name(name)
    _describe(writer, shape)
    _add_vocabulary(writer, gguf.TokenType, vocabulary, n_vocab=shape.n_vocab)
    writer.add_chat_template(TEMPLATE)
    for key, value in weights.items():
        writer.add_tensor(key, value.astype(np.float16 if value.ndim == 2 else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.replace(path)


def _describe(writer: Any, shape: Shape) -> None:
    writer.add_context_length(shape.context_tokens)
    writer.add_embedding_length(shape.d_model)
    writer.add_block_count(shape.n_layer)
    writer.add_feed_forward_length(shape.d_ff)
    writer.add_head_count(shape.n_head)
    writer.add_head_count_kv(shape.n_head)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_dimension_count(shape.d_head)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_vocab_size(shape.n_vocab)
    writer.add_file_type(1)


def _add_vocabulary(writer: Any, kinds: Any, vocabulary: Path, *, n_vocab: int) -> None:
    words, merges = tokens.load(vocabulary)
    everything = [*words, *tokens.SPECIALS]
    if len(everything) != n_vocab:
        raise ValueError(f"the vocabulary has {len(everything)} tokens, the shape says {n_vocab}")
    types = [kinds.NORMAL] * len(words) + [kinds.CONTROL] * tokens.CONTROL_COUNT
    types += [kinds.USER_DEFINED] * (len(tokens.SPECIALS) - tokens.CONTROL_COUNT)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(everything)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(words))
    writer.add_eos_token_id(len(words) + 2)
    writer.add_pad_token_id(len(words))
    writer.add_add_bos_token(False)


def stored_vocabulary_size(vocabulary: Path = tokens.STORED) -> int:
    """Return the number of tokens of the stored vocabulary, specials included."""
    return len(tokens.load(vocabulary)[0]) + len(tokens.SPECIALS)


def random_weights(shape: Shape, seed: int = 0) -> dict[str, "NDArray[np.float32]"]:
    """Return untrained weights that make varied text; same seed, same weights."""
    import numpy as np

    rng = np.random.default_rng(seed)
    weights = {}
    for key, size in shape.tensors().items():
        spread = 1.0 if key == "token_embd.weight" else float(size[-1]) ** -0.5
        flat = len(size) == 1
        weights[key] = (np.ones(size) if flat else rng.standard_normal(size) * spread).astype(np.float32)
    return weights


def main() -> None:
    """Write an untrained model. Its output weights are not tied: tied random weights repeat the last token."""
    parser = argparse.ArgumentParser(prog="python -m nano.export", description=main.__doc__)
    parser.add_argument(
        "--random", type=Path, required=True, metavar="OUT", help="where to write the GGUF file"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    shape = Shape(n_vocab=stored_vocabulary_size(), is_tied=False)
    weights = random_weights(shape, options.seed)
    write(options.random, shape, weights, name="nebulus-nano-random", vocabulary=tokens.STORED)
    print(
        f"{options.random}: {shape.parameter_count()} random parameters, {options.random.stat().st_size} bytes"
    )


if __name__ == "__main__":
    main()
