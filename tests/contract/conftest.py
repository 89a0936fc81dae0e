"""What the engine suites share: a fresh name for a run, and a body that counts."""

import uuid
from pathlib import Path

import pytest

from tests.contract.engine_homes import Counter


@pytest.fixture
def run_id() -> str:
    """A name that no other test uses."""
    return f"run-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def counter(tmp_path: Path) -> Counter:
    """A body that counts, and notes what it performs."""
    return Counter(tmp_path / "notes")
