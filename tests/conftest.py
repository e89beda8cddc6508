"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real market data beside the repository; the test is skipped, named and counted, without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real market data not found beside the repository: ../shared/data")
    return SHARED_DATA
