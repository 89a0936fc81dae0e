"""The vocabulary: byte-level BPE whose merges never make a value look different in two places.

Invariants: all 256 bytes are tokens, so any text can be encoded; no merge joins a blank to a letter and no merge
joins digits, so a value has the same tokens after a blank as after a quotation mark. What is copied is then
copied token by token, which is what a small network can learn.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIALS: Final = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<tool_response>",
    "</tool_response>", "<tools>", "</tools>",
)  # fmt: skip
CONTROL_COUNT: Final = 3
"""The first specials are control tokens; the others are text that a server shows."""

STORED: Final = Path(__file__).with_name("tokenizer.json")
BLANK: Final = "\u0120"
"""How byte-level BPE writes a space."""


def byte_alphabet() -> list[str]:
    """Return one printable character per byte, in byte order.

    Source: the byte-to-unicode table of GPT-2's byte-level BPE.
    """
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(b if b in printable else next(spare)) for b in range(256)]


def train(corpus: Iterable[str], n_vocab: int) -> tuple[list[str], list[tuple[str, str]]]:
    """Return (tokens, merges) learned from a corpus; `n_vocab` counts bytes, merges and specials."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    isolated = pre_tokenizers.Split(Regex(r"[A-Za-z]+| ?[^\sA-Za-z0-9]+|\s|[0-9]|."), "isolated")
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([isolated, plain])
    trainer = trainers.BpeTrainer(
        vocab_size=n_vocab - len(SPECIALS),
        initial_alphabet=byte_alphabet(),
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    merges = [tuple(m.split(" ") if isinstance(m, str) else m) for m in model["merges"]]
    return tokens, [(a, b) for a, b in merges]


def save(tokens: list[str], merges: list[tuple[str, str]], path: Path = STORED) -> None:
    """Store a vocabulary as JSON."""
    text = json.dumps(
        {"tokens": tokens, "merges": [" ".join(m) for m in merges]}, ensure_ascii=True, indent=0
    )
    path.write_text(text + "\n", encoding="utf-8")


def load(path: Path = STORED) -> tuple[list[str], list[str]]:
    """Return the stored (tokens, merges); needs no library."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return stored["tokens"], stored["merges"]


def encoder(path: Path = STORED) -> "Tokenizer":
    """Return the tokenizer that llama.cpp builds from the exported file ("gpt-2" pre-tokenizer)."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

    tokens, merges = load(path)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=[(a, b) for a, b in (m.split(" ") for m in merges)])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIALS])
    return tokenizer
