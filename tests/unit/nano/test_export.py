"""The vocabulary and the exported file."""

from pathlib import Path

import pytest

from nano import export, tokens
from nano.shape import Shape


def test_the_stored_vocabulary_can_spell_every_byte() -> None:
    words, merges = tokens.load()
    assert words[:256] == sorted(words[:256], key=tokens.byte_alphabet().index) or set(
        tokens.byte_alphabet()
    ) <= set(words)
    assert len(merges) == len(words) - 256


def test_no_merge_joins_a_blank_to_a_letter_or_a_digit_to_anything() -> None:
    for merge in tokens.load()[1]:
        joined = merge.replace(" ", "")
        assert not (tokens.BLANK in joined and any(c.isalnum() and c.isascii() for c in joined))
        assert not any(c.isdigit() for c in joined)


@pytest.mark.parametrize(
    "value", ["inbox/a-2.md", "INV-2041", "Release notes for May", "R4nd.om_x", "größe 7"]
)
def test_a_value_has_the_same_tokens_after_a_blank_as_after_a_quotation_mark(value: str) -> None:
    pytest.importorskip("tokenizers", reason="the extra `nano` is not installed")
    encoder = tokens.encoder()
    bare, quoted = encoder.encode(f"path {value}").tokens, encoder.encode(f'path "{value}').tokens
    own = encoder.encode(value).tokens
    assert bare[-len(own) :] == own
    assert quoted[-len(own) :] == own


def test_a_random_model_is_written_whole_and_alike_for_a_seed(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf", reason="the extra `nano` is not installed")
    shape = Shape(n_vocab=export.stored_vocabulary_size(), n_layer=1, d_model=32, d_ff=64, is_tied=False)
    paths = [tmp_path / "a.gguf", tmp_path / "b.gguf"]
    for path in paths:
        export.write(path, shape, export.random_weights(shape, 7), name="t", vocabulary=tokens.STORED)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    reader = gguf.GGUFReader(str(paths[0]))
    assert {t.name for t in reader.tensors} == set(shape.tensors())
    assert not list(tmp_path.glob("*.part"))


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="the extra `nano` is not installed")
    shape = Shape(n_vocab=export.stored_vocabulary_size(), n_layer=1, d_model=32, d_ff=64)
    weights = export.random_weights(shape)
    del weights["output_norm.weight"]
    with pytest.raises(ValueError, match="do not fit"):
        export.write(tmp_path / "x.gguf", shape, weights, name="t", vocabulary=tokens.STORED)


def test_the_shipped_network_has_about_a_million_parameters() -> None:
    assert 0.9e6 < Shape(n_vocab=export.stored_vocabulary_size()).parameter_count() < 1.5e6
