"""The cache of a hub's models: what is listed is what can be removed, and nothing else is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nebulus.adapters.backends.hub import Hub
from tests.contract.loopback_hub import LoopbackHub, serving_hub
from tests.contract.test_hub import LARGE, NAME, SMALL, Stop, StopsAfter


@pytest.fixture
def served() -> Iterator[LoopbackHub]:
    with serving_hub(LoopbackHub({"tiny-Q4_K_M.gguf": SMALL, "tiny-Q8_0.gguf": LARGE})) as hub:
        yield hub


@pytest.fixture
def hub(served: LoopbackHub, tmp_path: Path) -> Hub:
    return Hub(endpoint=served.url, cache=tmp_path / "cache")


def test_models_are_listed_and_removed_one_by_one(hub: Hub) -> None:
    small, large = hub.fetch(NAME), hub.fetch("hf:tests/tiny-GGUF:Q8_0")
    models = list(hub.cache.models())
    assert [str(model.name) for model in models] == [NAME, "hf:tests/tiny-GGUF:Q8_0"]
    assert hub.cache.remove(models[0]) == len(SMALL)
    assert not small.exists()
    assert large.exists()
    assert hub.cache.remove(models[1]) == len(LARGE)
    assert not list(hub.cache.folder.glob("models--*"))


def test_removing_a_model_deletes_nothing_outside_of_its_repository(hub: Hub, tmp_path: Path) -> None:
    path = hub.fetch(NAME)
    outside = tmp_path / "mine.gguf"
    outside.write_bytes(SMALL)
    path.unlink()
    path.symlink_to(outside)
    (model,) = hub.cache.models()
    assert hub.cache.remove(model) == 0
    assert outside.read_bytes() == SMALL


def test_removing_a_model_from_a_cache_without_links_counts_what_that_freed(hub: Hub) -> None:
    path = hub.fetch(NAME)
    path.resolve().rename(path)
    (model,) = hub.cache.models()
    assert hub.cache.remove(model) == len(SMALL)


def test_an_interrupted_download_is_named_and_can_be_removed(served: LoopbackHub, hub: Hub) -> None:
    hub.fetch(NAME)
    with pytest.raises(Stop):
        hub.fetch("hf:tests/tiny-GGUF:Q8_0", StopsAfter(11_000_000))
    (partial,) = hub.cache.interrupted()
    assert str(partial.name) == "hf:tests/tiny-GGUF:Q8_0"
    (whole,) = hub.cache.models()
    hub.cache.remove(whole)
    assert list(hub.cache.interrupted()) == [partial]
    assert hub.cache.remove(partial) == partial.size_bytes > 0
    assert not list(hub.cache.folder.glob("models--*"))


def test_the_parts_of_an_interrupted_model_are_removed_together(served: LoopbackHub, hub: Hub) -> None:
    served.files |= {f"big/b-F16-0000{n}-of-00002.gguf": LARGE[n:] for n in (1, 2)}
    with pytest.raises(Stop):
        hub.fetch("hf:tests/tiny-GGUF:F16", StopsAfter(51_000_000))
    (partial,) = hub.cache.interrupted()
    assert len(partial.files) == 2
    assert hub.cache.remove(partial) == partial.size_bytes > len(LARGE)
    assert not list(hub.cache.folder.glob("models--*"))
