"""Fixtures of the tracking tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from resources.tracking import Tracking, Training
from tests.resources.trainings import training_of


@pytest.fixture(scope="session")
def tracking_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its schema, made once: tests copy the file (L-10.1)."""
    home = tmp_path_factory.mktemp("tracking_template")
    # An experiment keeps the artifact folder it was created with: tests create their own.
    Tracking(home, experiment="template").create()
    return home / "mlflow.db"


@pytest.fixture
def tracking(tracking_template: Path, tmp_path: Path) -> Tracking:
    shutil.copy(tracking_template, tmp_path / "mlflow.db")
    return Tracking(tmp_path)


@pytest.fixture(scope="session")
def training() -> Training:
    return training_of("direction", with_study=True)
