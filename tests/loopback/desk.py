"""A whole live market on the loopback server, with a home and a settings file of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import polars as pl

from resources.lake import Lake
from tests.loopback.cases import SECRET
from tests.loopback.server import Loopback
from tests.loopback.world import World

VENDORS = {
    "yahoo": "YahooVendor",
    "massive": "MassiveVendor",
    "cboe": "CboeVendor",
    "fred": "FredVendor",
    "finra": "FinraVendor",
    "squeezemetrics": "SqueezeMetricsVendor",
    "coinbase": "CoinbaseVendor",
    "kraken": "KrakenVendor",
}
UNUSED = ("alpaca", "alpha_vantage", "binance", "bybit", "stocktwits", "reddit", "x", "gdelt", "rss")
SYMBOLS = ["AAA", "BBB", "BRK.B"]
DESK_SESSIONS, DESK_HISTORY = 90, 70
"""Closed sessions of the world, and those of them that the first night takes as history: fewer than in production,
where a year and more stands behind the longest lookback."""


@dataclass(frozen=True)
class LiveDesk:
    """A loopback market of today with a home of its own."""

    loopback: Loopback
    world: World
    home: Path
    config: Path
    call: Callable[..., object]

    @property
    def lake(self) -> Lake:
        return Lake(self.home)

    def run(self, *arguments: str, **settings: str):
        """Call ``gnosis`` with these arguments."""
        return self.call(self.home, *arguments, **(self.settings | settings))

    @property
    def settings(self) -> dict[str, str]:
        """Environment variables of the home."""
        return {
            "GNOSIS_CONFIG": str(self.config),
            "MASSIVE_API_KEY": SECRET,
            "DAGSTER_HOME": str(self.home / "dagster"),
            "YF_DISABLE_CURL_CFFI": "1",
        }

    def events(self, kind: str | None = None) -> pl.DataFrame:
        rows = self.lake.read("raw.quality_events").with_columns(pl.col("kind").cast(pl.String))
        return rows if kind is None else rows.filter(pl.col("kind") == kind)


def toml(loopback: Loopback) -> str:
    lines = [
        'provider = "yahoo"',
        "[live]",
        f"symbols = {json.dumps(SYMBOLS)}",
        'indices = ["^GSPC", "^IXIC", "^VIX"]',
        'pairs = ["BTC/USD"]',
        'series = ["DGS3MO", "DGS10"]',
        "attempts = 1",
        "longest_wait_s = 0.5",
    ]
    for name in VENDORS:
        lines += [
            f"[live.services.{name}]",
            f'base_url = "{loopback.url(name)}"',
            "rates = [[100000, 1.0]]",
            "timeout_s = 5",
        ]
    for name in UNUSED:
        lines += [f"[live.services.{name}]", "is_enabled = false"]
    return "\n".join(lines)


def opened_desk(loopback: Loopback, world: World, folder: Path, call: Callable[..., object]) -> LiveDesk:
    """Let every vendor serve ``world`` and return a desk whose settings file leads to them."""
    for name, vendor in VENDORS.items():
        loopback.serve(getattr(import_module(f"tests.loopback.vendors.{name}"), vendor)(world))
    config = folder / "gnosis.toml"
    config.write_text(toml(loopback))
    return LiveDesk(loopback, world, folder / "home", config, call)
