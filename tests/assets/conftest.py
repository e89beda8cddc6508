"""A folder of made-up files, and the command line on a home of its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from resources.lake import Lake

DAYS = [dt.date(2013, 1, 2), dt.date(2013, 1, 3), dt.date(2013, 1, 4)]
BARS = pl.DataFrame(
    [(day, ticker, 10.0, 11.0, 9.0, 10.5, 1000.0) for day in DAYS for ticker in ("AAA", "BBB")],
    schema=["date", "ticker", "open", "high", "low", "close", "volume"],
    orient="row",
)
CONFIG = """
first_session: 2013-01-02
last_session: 2013-01-04
tables:
  raw.equity_bars:
    - path: bars.parquet
      format: parquet
      columns: {session: date, symbol: ticker, open: open, high: high, low: low, close: close, volume: volume}
      constants: {adjustment_factor: 1.0}
"""


@dataclass(frozen=True)
class Ran:
    """Exit status and words of one call of the command line."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Desk:
    """A folder of files with its home."""

    folder: Path
    home: Path
    run: Callable[..., Ran]

    @property
    def lake(self) -> Lake:
        return Lake(self.home)

    def bars(self, frame: pl.DataFrame) -> Path:
        """Write the bars."""
        frame.write_parquet(self.folder / "bars.parquet")
        return self.folder / "bars.parquet"

    def rejected(self, table: str = "raw_equity_bars") -> list[tuple[dt.date, str]]:
        """Return session and rule of the quarantined rows of a table."""
        return self.lake.read(f"quarantine.{table}").select("session", "rule").rows()


@pytest.fixture
def desk(tmp_path, monkeypatch, capfd) -> Desk:
    """A folder with good bars of three sessions and two symbols, and ``run``, which calls ``gnosis``."""
    folder, home = tmp_path / "files", tmp_path / "home"
    folder.mkdir()
    (folder / "gnosis.yaml").write_text(CONFIG)
    monkeypatch.setenv("GNOSIS_HOME", str(home))
    monkeypatch.setenv("GNOSIS_PROVIDER", "files")
    monkeypatch.setenv("GNOSIS_FILES", str(folder))
    for name in ("GNOSIS_FIRST_SESSION", "GNOSIS_LAST_SESSION"):
        monkeypatch.delenv(name, raising=False)
    # The environment of Dagster is set by the first definitions of the process: undone after the test.
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))

    def run(*arguments: str) -> Ran:
        from gnosis_dagster import definitions
        from gnosis_dagster.cli import main
        from gnosis_dagster.settings import Settings

        monkeypatch.setattr(definitions, "defs", definitions.build_definitions(Settings()))
        capfd.readouterr()
        status = main(arguments)
        return Ran(status, *capfd.readouterr())

    made = Desk(folder, home, run)
    made.bars(BARS)
    return made
