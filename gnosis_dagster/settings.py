"""Settings of one installation: where its home is and which provider serves it.

They are read here only: from environment variables, then from ``gnosis.toml`` in the working directory or wherever
``GNOSIS_CONFIG`` says.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from resources.providers.live.configuration import LiveConfiguration, require_service

OFFLINE = ("sample", "files")
LIVE = "live"
CONFIG_VARIABLE = "GNOSIS_CONFIG"
EVENT_BATCH_SIZE = "2000"


class SettingsFileError(Exception):
    """The settings file is missing or is not TOML."""


class Settings(BaseSettings):
    """Settings; each has an environment variable of the same name with the prefix ``GNOSIS_``.

    Attributes
    ----------
    home
        Folder that holds everything the product writes.
    provider
        ``sample`` replays the packaged data; ``files`` reads the user's own folder; ``live`` asks services on the
        network, and the name of a service (``yahoo``) does the same and asks that one first.
    files
        Folder with ``gnosis.yaml``, for the provider ``files``.
    first_session, last_session
        Sessions of the first run. For the sample: the five years 2008 to 2012; later sessions are replayed one a night.
    max_sessions_per_run
        Longer ranges are cut into yearly runs.
    live
        Symbols and services of a live provider.
    strategies
        Folder with Python files of the user's own strategies; without it ``strategies`` in the home.
    peers
        Folder with the environments of other backtest engines; without it those that ``make peers`` makes.
    pictures
        False leaves the plots of materialisations away, which is a seventh of the time of a night.
    finbert
        Folder with a FinBERT model in ONNX form that scores texts; without it word lists do, and say so.
    lexicon
        CSV of the Loughran-McDonald master dictionary, whose words are added to those that are shipped.
    grok
        Name of a model of xAI that scores texts instead, for money; not reproducible, and it says so.
    alert_webhook
        Address that is sent a JSON document when a run fails; without it failures are only logged.
    dagster_url, mlflow_url
        Addresses of both interfaces, for the links from each to the other; ``gnosis up`` gives its own.
    """

    model_config = SettingsConfigDict(env_prefix="GNOSIS_", env_nested_delimiter="__", extra="forbid")

    home: Path = Path(".gnosis")
    provider: str = "sample"
    files: Path | None = None
    first_session: dt.date | None = None
    last_session: dt.date | None = None
    max_sessions_per_run: int = Field(default=1300, ge=1)
    mlflow_tracking_uri: str | None = Field(default=None, validation_alias="MLFLOW_TRACKING_URI")
    live: LiveConfiguration = Field(default_factory=LiveConfiguration)
    strategies: Path | None = None
    peers: Path | None = None
    pictures: bool = True
    finbert: Path | None = None
    lexicon: Path | None = None
    grok: str | None = None
    alert_webhook: str | None = None
    dagster_url: str = "http://127.0.0.1:3000"
    mlflow_url: str = "http://127.0.0.1:5000"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what is given in code, then the environment, then the file."""
        named = os.environ.get(CONFIG_VARIABLE)
        file = Path(named or "gnosis.toml")
        if named and not file.is_file():
            raise SettingsFileError(f"{CONFIG_VARIABLE}: expected a file at {file.absolute()}, found none")
        try:
            written = TomlConfigSettingsSource(settings_cls, toml_file=file)
        except ValueError as error:
            raise SettingsFileError(f"{file}: expected TOML, found an error in it: {error}") from error
        return (init_settings, env_settings, written)

    @field_validator("provider")
    @classmethod
    def _exists(cls, name: str) -> str:
        if name in (*OFFLINE, LIVE):
            return name
        try:
            return require_service(name)
        except ValueError as error:
            raise ValueError(f"expected sample, files, live or a live service: {error}") from error

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
        self.strategies = (self.strategies or self.home / "strategies").expanduser().absolute()
        if self.provider == "sample":
            self.first_session = self.first_session or dt.date(2008, 1, 2)
            self.last_session = self.last_session or dt.date(2012, 12, 31)
        return self

    @property
    def is_live(self) -> bool:
        """True when services on the network are asked."""
        return self.provider not in OFFLINE

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
