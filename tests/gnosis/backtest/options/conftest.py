"""Small option markets for the tests of the options backtest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl
import pytest

from gnosis.backtest.options import run_options
from gnosis.backtest.trials import MemoryLedger
from gnosis.sessions import schedule
from gnosis.tables import TABLES

FIRST = dt.date(2024, 1, 2)
SNAPSHOT_TO_KNOWN = dt.timedelta(minutes=15)


def days_from(first: dt.date, n: int) -> pl.DataFrame:
    """Return the calendar of n sessions."""
    return schedule().filter(pl.col("session") >= first).head(n)


def bars_of(closes: Sequence[float], symbol: str = "XYZ", first: dt.date = FIRST, **columns: Any) -> pl.DataFrame:
    """Return bars; each opens at the close before unless ``open`` is given."""
    days = days_from(first, len(closes))
    opens = columns.pop("open", [closes[0], *closes[:-1]])
    rows = {
        "session": days["session"], "symbol": symbol, "ts": days["close_at"], "open": opens,
        "high": [max(pair) for pair in zip(opens, closes, strict=True)],
        "low": [min(pair) for pair in zip(opens, closes, strict=True)], "close": closes, "volume": 1e6,
        "adjustment_factor": 1.0, "known_at": days["close_at"], "provider": "test", "synthetic": True,
    }  # fmt: skip
    return pl.DataFrame(rows | columns)


def quote_of(session: dt.date, right: str, strike: float, expiry: dt.date, bid: Any, ask: Any, **rest: Any) -> dict:
    """Return one row of ``raw.option_quotes`` at the nominal snapshot."""
    at = days_from(session, 1)["chain_at"][0]
    row = {
        "session": session, "symbol": "XYZ", "expiry": expiry, "settlement": "pm", "right": right, "strike": strike,
        "root": "XYZ", "ts": at, "bid": bid, "ask": ask, "bid_size": 10.0, "ask_size": 10.0, "volume": 0.0,
        "open_interest": 100.0, "oi_session": None, "multiplier": 100.0, "deliverable_shares": None, "style": "A",
        "spot": 100.0, "provider": "test", "synthetic": True,
    }  # fmt: skip
    row |= rest
    return {"known_at": row["ts"] + SNAPSHOT_TO_KNOWN} | row


def quotes_frame(rows: Sequence[dict]) -> pl.DataFrame:
    """Return rows as ``raw.option_quotes``."""
    return pl.DataFrame(list(rows), schema=TABLES["raw.option_quotes"].polars_schema)


@dataclass(frozen=True)
class Desk:
    """Makers of bars, quotes and runs."""

    days: Callable[..., pl.DataFrame]
    bars: Callable[..., pl.DataFrame]
    quote: Callable[..., dict]
    quotes: Callable[..., pl.DataFrame]
    run: Callable[..., Any]

    def orders_on(self, **by_day: Any) -> Callable[..., list]:
        """Return a strategy that submits given orders after given sessions, d0 being the first."""

        def decide(view: Any) -> list:
            number = (days_from(FIRST, 40)["session"] == view.session).arg_max()
            return list(by_day.get(f"d{number}", []))

        return decide


@pytest.fixture(scope="session")
def desk() -> Desk:
    """Return the makers."""
    run = partial(run_options, recorder=MemoryLedger(), code_sha256="0" * 64)
    return Desk(partial(days_from, FIRST), bars_of, quote_of, quotes_frame, run)
