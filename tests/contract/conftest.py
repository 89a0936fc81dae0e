"""What several suites share: of engines, a fresh name for a run and a body that counts; of sandboxes, each level."""

import uuid
from pathlib import Path

import pytest

from nebulus.adapters.sandboxes.reach import Reach
from nebulus.core.tools import SandboxLevel
from tests.contract.engine_homes import Counter
from tests.contract.sandbox_levels import LEVELS, Real, made, workspace_of


@pytest.fixture
def run_id() -> str:
    """A name that no other test uses."""
    return f"run-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def counter(tmp_path: Path) -> Counter:
    """A body that counts, and notes what it performs."""
    return Counter(tmp_path / "notes")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A new workspace."""
    return workspace_of(tmp_path)


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest) -> SandboxLevel:
    """Each level at which this machine contains commands."""
    return SandboxLevel(request.param)


@pytest.fixture
def real(level: SandboxLevel, root: Path) -> Real:
    """The sandbox of each level, for the workspace."""
    return made(level, Reach(root))
