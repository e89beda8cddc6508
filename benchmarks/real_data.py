"""The real market data beside the repository, as tables: read by the provider of files, as a user's own files are."""

from __future__ import annotations

import datetime as dt
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from gnosis.sessions import sessions_between
from gnosis.tables import TABLES
from resources.providers.files import FilesProvider
from resources.providers.files.quotedata import read_quotedata

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
EXAMPLE = ROOT / "docs" / "examples" / "real_spx.yaml"
SPX_FILE = "spx_cboe_chain_daily_2019-04-25_2019-07-22.parquet"
SPX_SESSIONS = sessions_between(dt.date(2019, 4, 25), dt.date(2019, 7, 22))
SPLIT_SESSION = dt.date(2014, 6, 9)
SPLIT_RATIO = 7
DOWNLOADS = (
    "spx_quotedata_2022-03-23_es.csv.gz",
    "spx_quotedata_2022-06-11_en_oldformat.csv.gz",
    "spy_quotedata_2023-09-14_en.csv.gz",
    "spx_quotedata_2025-09-05_pt_unquoted.csv.gz",
)
AMERICAN = {"settlement": "pm", "multiplier": 100.0, "style": "A"}
AFTER_QUOTE = {"rule": "after_quote", "delay_minutes": 15}
SPY_QUOTES = {
    "path": "options/spy_options_2021_20perday.parquet",
    "format": "parquet",
    "columns": {
        "session": "quotedate",
        "symbol": "underlying",
        "root": "underlying",
        "expiry": "expiration",
        "right": "type",
        "strike": "strike",
        "bid": "bid",
        "ask": "ask",
        "volume": "volume",
        "open_interest": "openinterest",
        "spot": "underlying_last",
    },
    "values": {"right": {"call": "C", "put": "P"}},
    "constants": AMERICAN,
    "quote_time": {"time": "16:00"},
    "known_at": AFTER_QUOTE,
}
AAPL_COLUMNS = {
    "session": "quote_date",
    "expiry": "expiration",
    "right": "right",
    "strike": "strike",
    "open_interest": "open_interest",
    "spot": "spot",
}
AAPL_QUOTES = {
    "path": "options/aapl_lean_eod_quote.parquet",
    "format": "parquet",
    "columns": AAPL_COLUMNS | {name: name for name in ("bid", "ask", "bid_size", "ask_size")},
    "constants": AMERICAN | {"symbol": "AAPL", "root": "AAPL"},
    "quote_time": {"time": "16:00"},
    "chain_rules": {"spot_within_bar": 0.005},
    "known_at": AFTER_QUOTE,
}
# Trades and open interest without quotes; the spot is that of some moment of the session.
AAPL_POSITIONS = AAPL_QUOTES | {
    "path": "options/aapl_lean_universe_daily.parquet",
    "columns": AAPL_COLUMNS | {"volume": "volume"},
}


class RealData:
    """Tables made from the files below ``data``; ``folder`` receives the descriptions of them."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.data = data
        self._folder = folder
        self._example: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))

    def provider(self, name: str, quotes: dict[str, Any] | None = None, **keys: Any) -> FilesProvider:
        """Return a provider of the example's folder with other option quotes, or other ``keys`` in their source."""
        spec = deepcopy(self._example) | {"root": str(self.data), "last_session": dt.date(2025, 12, 31)}
        source = quotes or spec["tables"]["raw.option_quotes"][0]
        spec["tables"]["raw.option_quotes"] = [source | keys]
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "gnosis.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
        return FilesProvider(folder)

    @cached_property
    def spx(self) -> FilesProvider:
        """The example of the documentation."""
        return self.provider("spx")

    @cached_property
    def vendor(self) -> pl.DataFrame:
        """Every row of the SPX file under our names, unjudged, with the vendor's own volatility and gamma."""
        day = {"session": "quote_date", "expiry": "expiration"}
        text = {"root": pl.String, "right": pl.String}
        settlement = pl.col("root").replace_strict({"SPX": "am", "SPXW": "pm"})
        return (
            pl.read_parquet(self.data / "options" / SPX_FILE)
            .select(
                *(pl.col(theirs).dt.date().alias(ours) for ours, theirs in day.items()),
                *(pl.col(name).cast(dtype) for name, dtype in text.items()),
                pl.col("strike", "volume", "open_interest").cast(pl.Float64),
                *("bid", "ask", "spot"),
                symbol=pl.lit("SPX"),
                vendor_iv="iv",
                vendor_gamma_per_usd="gamma",
            )
            .with_columns(settlement=settlement)
        )

    def bars(self, symbol: str, first: dt.date, last: dt.date) -> pl.DataFrame:
        """Return ``raw.equity_bars`` of one symbol."""
        frame = self.spx.fetch("raw.equity_bars", sessions_between(first, last)).frame
        return frame.filter(pl.col("symbol") == symbol)

    def macro(self, last: dt.date, first: dt.date | None = None) -> pl.DataFrame:
        """Return ``raw.macro`` up to ``last``, from sixty days before ``first``, without days that have no value."""
        since = (first or last) - dt.timedelta(days=60)
        found = self.spx.fetch("raw.macro", sessions_between(since, last)).frame
        return TABLES["raw.macro"].schema.filter(found)[0]

    def download(self, name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the rows and the rejected rows of a quotedata download."""
        return read_quotedata(self.data / "options" / name, "files")

    @cached_property
    def dix(self) -> pl.DataFrame:
        """``session`` and ``gex`` ($ per 1 % as published) of SqueezeMetrics."""
        table = pl.read_csv(self.data / "positioning" / "DIX.csv", try_parse_dates=True)
        return table.select(session="date", gex="gex")
