"""Settings of one installation: where its home is and which provider serves it. Read from the environment here only."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

EVENT_BATCH_SIZE = "2000"


class Settings(BaseSettings):
    """Settings; each has an environment variable of the same name with the prefix ``GNOSIS_``.

    Attributes
    ----------
    home
        Folder that holds everything the product writes.
    provider
        ``sample`` replays the packaged data; ``files`` reads the user's own folder.
    files
        Folder with ``gnosis.yaml``, for the provider ``files``.
    first_session, last_session
        Sessions of the first run. For the sample: the five years 2008 to 2012; later sessions are replayed one a night.
    max_sessions_per_run
        Longer ranges are cut into yearly runs.
    finbert
        Folder with a FinBERT model in ONNX form that scores texts; without it word lists do, and say so.
    lexicon
        CSV of the Loughran-McDonald master dictionary, whose words are added to those that are shipped.
    alert_webhook
        Address that is sent a JSON document when a run fails; without it failures are only logged.
    """

    model_config = SettingsConfigDict(env_prefix="GNOSIS_", extra="forbid")

    home: Path = Path(".gnosis")
    provider: Literal["sample", "files"] = "sample"
    files: Path | None = None
    first_session: dt.date | None = None
    last_session: dt.date | None = None
    max_sessions_per_run: int = Field(default=1300, ge=1)
    mlflow_tracking_uri: str | None = Field(default=None, validation_alias="MLFLOW_TRACKING_URI")
    finbert: Path | None = None
    lexicon: Path | None = None
    alert_webhook: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        if self.provider == "files" and self.files is None:
            raise ValueError(
                "GNOSIS_PROVIDER=files needs GNOSIS_FILES: the folder with your data and its gnosis.yaml "
                "(see docs/your-own-data.md)"
            )
        self.home = self.home.expanduser().absolute()
        if self.files is not None:
            self.files = self.files.expanduser().absolute()
        if self.provider == "sample":
            self.first_session = self.first_session or dt.date(2008, 1, 2)
            self.last_session = self.last_session or dt.date(2012, 12, 31)
        return self

    @property
    def dagster_home(self) -> Path:
        """Folder of the Dagster instance."""
        return self.home / "dagster"

    @property
    def catalog_path(self) -> Path:
        """The DuckDB catalog."""
        return self.home / "gnosis.duckdb"


def prepare_environment(settings: Settings) -> None:
    """Point Dagster at this home and pin what would otherwise vary between machines; existing choices are kept."""
    os.environ.setdefault("DAGSTER_HOME", str(settings.dagster_home))
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENT_BATCH_SIZE)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("MPLBACKEND", "Agg")
