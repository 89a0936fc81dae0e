"""What every artifact store promises: a value comes back whole from its address, or an error does."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.stores import DatabaseStore, MemoryStore
from nebulus.core.errors import StoreError
from nebulus.ports.world import ArtifactStore
from tests.contract.engine_homes import POSTGRES


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    match request.param:
        case "memory":
            return MemoryStore()
        case "sqlite":
            return DatabaseStore(tmp_path / "runs.sqlite")
        case _:
            if POSTGRES not in os.environ:
                pytest.skip('no PostgreSQL: eval "$(scripts/postgres start)"')
            return DatabaseStore(os.environ[POSTGRES])


@pytest.mark.parametrize(
    "content", ["", "x", "h\u00e9llo\r\nworld\0\n", "\U0001f600" * 1000, "a" * 3_000_000]
)
def test_what_is_put_comes_back_whole(store: ArtifactStore, content: str) -> None:
    assert store.get(store.put(content)) == content


@given(content=st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_comes_back_whole(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    store = DatabaseStore(tmp_path_factory.getbasetemp() / "any.sqlite")
    assert store.get(store.put(content)) == content


def test_the_address_is_the_sha_256_of_the_text(store: ArtifactStore) -> None:
    assert store.put("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_storing_twice_stores_once(store: ArtifactStore) -> None:
    assert store.put("same") == store.put("same")
    assert store.put("same") != store.put("other")


@pytest.mark.parametrize("address", ["0" * 64, "", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_an_address_where_nothing_is_raises(store: ArtifactStore, address: str) -> None:
    with pytest.raises(StoreError):
        store.get(address)


def test_half_characters_are_refused(store: ArtifactStore) -> None:
    with pytest.raises(StoreError, match="Unicode"):
        store.put("a\ud800")
