"""The network and the trainer, where torch is installed."""

import random
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra `nano` is not installed")

from nano import export, train  # noqa: E402
from nano.network import Network  # noqa: E402
from nano.shape import Shape  # noqa: E402

SMALL = Shape(n_vocab=64, n_layer=2, d_model=32, d_ff=48)


def test_parameter_names_and_sizes_are_those_of_the_exported_file() -> None:
    found = {key: value.shape for key, value in Network(SMALL, 16).weights().items()}
    assert found == SMALL.tensors()


def test_a_later_token_changes_nothing_before_it() -> None:
    torch.manual_seed(0)
    network, ids = Network(SMALL, 16).eval(), torch.arange(12)[None]
    changed = ids.clone()
    changed[0, 8] = 60
    everything = torch.ones_like(ids, dtype=torch.bool)
    with torch.no_grad():
        a, b = network(ids, everything), network(changed, everything)
    assert torch.allclose(a[:8], b[:8])
    assert not torch.allclose(a[8:], b[8:])


def test_attention_in_pieces_is_attention() -> None:
    torch.manual_seed(0)
    network, ids = Network(SMALL, 700).eval(), torch.randint(0, 64, (2, 600))
    everything = torch.ones_like(ids, dtype=torch.bool)
    with torch.no_grad():
        exact = network(ids, everything)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(ids, everything).float()
    assert torch.allclose(exact, rough, atol=0.02)


def test_a_copy_batch_learns_only_what_was_said_before() -> None:
    ids, wanted = train.copy_batch(random.Random(0), 50, longest=40, is_hard=True)
    half = ids.shape[1] // 2
    assert torch.equal(ids[:, :half], ids[:, half:])
    assert not wanted[:, : half + 1].any()
    assert wanted[:, half + 1 :].all()


def test_the_learning_rate_rises_first_and_falls_with_the_time() -> None:
    assert (
        train.rate_at(0.0, 0)
        < train.rate_at(0.01, 99)
        > train.rate_at(0.5, 5000)
        > train.rate_at(1.0, 9000)
        > 0
    )


def test_training_goes_on_from_the_weights_of_an_exported_file(tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="the extra `nano` is not installed")
    shape = Shape(n_vocab=export.stored_vocabulary_size(), n_layer=1, d_model=32, d_ff=48)
    network, other = Network(shape, 16), Network(shape, 16)
    export.write(tmp_path / "a.gguf", shape, network.weights(), name="a", vocabulary=export.tokens.STORED)
    other.load_state_dict(train.stored_weights(tmp_path / "a.gguf"))
    for key, value in network.state_dict().items():
        assert torch.allclose(other.state_dict()[key], value, atol=1e-3)
