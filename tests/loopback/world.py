"""A small made-up market that every vendor of the loopback server tells of, so that their answers agree.

Nothing here depends on the clock: ``World(now)`` is the market as it stands at ``now``.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from gnosis.sessions import schedule

EQUITIES = ("AAA", "BBB", "BRK.B")
INDICES = {"^GSPC": 5000.0, "^IXIC": 16000.0, "^VIX": 18.0}
PAIRS = {"BTC/USD": 60000.0, "ETH/USD": 3000.0, "BTC/USDT": 60010.0}
SERIES = {"DGS3MO": 4.3, "DGS10": 4.1, "VIXCLS": 18.0}
FRIDAY_EVENING = dt.datetime(2026, 11, 20, 23, 30, tzinfo=dt.UTC)
"""18:30 New York after an ordinary session."""

SPLIT_RATIO = 2.0
DIVIDEND_USD = 0.5


@dataclass(frozen=True)
class World:
    """The market at ``now``: ``n_sessions`` sessions that have closed.

    ``AAA`` split two for one on the sixth last session and paid 0.50 $ with the third last as ex-date.
    """

    now: dt.datetime = FRIDAY_EVENING
    n_sessions: int = 30
    equities: tuple[str, ...] = EQUITIES

    @cached_property
    def calendar(self) -> pl.DataFrame:
        """Closed sessions with their instants."""
        return schedule().filter(pl.col("close_at") <= self.now).tail(self.n_sessions)

    @property
    def sessions(self) -> tuple[dt.date, ...]:
        return tuple(self.calendar["session"])

    @property
    def today(self) -> dt.date:
        """The last session that has closed."""
        return self.sessions[-1]

    @property
    def split_date(self) -> dt.date:
        return self.sessions[-6]

    @property
    def ex_date(self) -> dt.date:
        return self.sessions[-3]

    @cached_property
    def bars(self) -> pl.DataFrame:
        """Daily bars of the equities as traded: session, symbol, open, high, low, close, volume, open_at, close_at."""
        parts = [self._path(symbol, 100.0 * (n + 1), 0.012, n) for n, symbol in enumerate(self.equities)]
        bars = pl.concat(parts)
        is_after = (pl.col("symbol") == "AAA") & (pl.col("session") >= self.split_date)
        scale = pl.when(is_after).then(SPLIT_RATIO).otherwise(1.0)
        prices = [(pl.col(name) / scale).round(2) for name in ("open", "high", "low", "close")]
        return bars.with_columns(*prices, volume=(pl.col("volume") * scale).round())

    @cached_property
    def levels(self) -> pl.DataFrame:
        """Daily index levels, columns as ``bars``."""
        return pl.concat(
            [self._path(symbol, start, 0.008, 10 + n) for n, (symbol, start) in enumerate(INDICES.items())]
        )

    @cached_property
    def candles(self) -> pl.DataFrame:
        """Daily candles of the pairs for calendar days (UTC): day, symbol, open, high, low, close, volume."""
        first = self.sessions[0]
        days = pl.date_range(first, (self.now - dt.timedelta(days=1)).date(), eager=True)
        parts = []
        for n, (symbol, start) in enumerate(PAIRS.items()):
            rng = np.random.default_rng(100 + n)
            close = start * np.exp(np.cumsum(rng.normal(0.0, 0.02, len(days))))
            opened = np.concatenate([[start], close[:-1]])
            spread = 1 + np.abs(rng.normal(0.0, 0.01, len(days)))
            frame = pl.DataFrame(
                {"day": days, "open": opened, "close": close, "volume": rng.uniform(10, 20, len(days))}
            )
            parts.append(
                frame.with_columns(
                    symbol=pl.lit(symbol),
                    high=pl.max_horizontal("open", "close") * pl.Series(spread),
                    low=pl.min_horizontal("open", "close") / pl.Series(spread),
                ).with_columns(pl.col("open", "high", "low", "close").round(2))
            )
        return pl.concat(parts).select("day", "symbol", "open", "high", "low", "close", "volume")

    @cached_property
    def macro(self) -> pl.DataFrame:
        """Daily observations: series_id, ref_date, value; each published on the next day."""
        rows = []
        for n, (series, level) in enumerate(SERIES.items()):
            rng = np.random.default_rng(200 + n)
            values = level + np.cumsum(rng.normal(0.0, 0.02, len(self.sessions)))
            rows.append(
                pl.DataFrame({"ref_date": list(self.sessions), "value": values.round(2)}).with_columns(
                    series_id=pl.lit(series)
                )
            )
        return pl.concat(rows).select("series_id", "ref_date", "value")

    @cached_property
    def chain(self) -> pl.DataFrame:
        """Quotes at 15:45 New York of the last session for AAA: expiry, right, strike, bid, ask, iv, greeks, sizes.

        Black-Scholes at 25 % volatility and no rate, a spread of 4 % around the mid, open interest of the day before.
        """
        spot = self.spot("AAA")
        expiries = [self.today + dt.timedelta(days=days) for days in (7, 28, 56)]
        rows = []
        for expiry in expiries:
            years = ((expiry - self.today).days) / 365.0
            for step in range(-6, 7):
                strike = round(spot / 5 + step) * 5.0
                for right in ("C", "P"):
                    price, delta, gamma, vega = _black_scholes(spot, strike, years, 0.25, right)
                    half = max(0.02 * price, 0.01)
                    rows.append(
                        {
                            "expiry": expiry,
                            "right": right,
                            "strike": strike,
                            "bid": round(max(price - half, 0.0), 2),
                            "ask": round(price + half + 0.01, 2),
                            "iv": 0.25,
                            "delta": round(delta, 4),
                            "gamma": round(gamma, 4),
                            "vega": round(vega, 4),
                            "open_interest": float(1000 + 10 * step),
                            "volume": float(100 + step),
                            "bid_size": 10.0,
                            "ask_size": 12.0,
                        }
                    )
        return pl.DataFrame(rows).unique(["expiry", "right", "strike"]).sort("expiry", "right", "strike")

    def spot(self, symbol: str) -> float:
        """Return the last close of an equity or an index."""
        frame = self.levels if symbol.startswith("^") else self.bars
        return float(frame.filter(pl.col("symbol") == symbol, pl.col("session") == self.today)["close"].item())

    @property
    def quoted_at(self) -> dt.datetime:
        """Instant of the chain: 15 minutes before the last close (UTC)."""
        return self.calendar["close_at"][-1] - dt.timedelta(minutes=15)

    @cached_property
    def documents(self) -> pl.DataFrame:
        """Texts about AAA and BBB of the last two sessions, an hour before the close: id, symbol, ts, text, tag."""
        closes = self.calendar["close_at"].to_list()[-2:]
        words = [
            ("AAA", "AAA beats expectations and raises its outlook", "bullish"),
            ("BBB", "BBB falls after a warning", "bearish"),
        ]
        return pl.DataFrame(
            [
                {
                    "id": str(1000 + 10 * n + m),
                    "symbol": symbol,
                    "ts": close - dt.timedelta(hours=1, minutes=m),
                    "text": text,
                    "tag": tag,
                }
                for n, close in enumerate(closes)
                for m, (symbol, text, tag) in enumerate(words)
            ]
        )

    def _path(self, symbol: str, start: float, volatility: float, seed: int) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        n = self.n_sessions
        close = start * np.exp(np.cumsum(rng.normal(0.0, volatility, n)))
        opened = np.concatenate([[start], close[:-1]]) * np.exp(rng.normal(0.0, volatility / 4, n))
        reach = np.exp(np.abs(rng.normal(0.0, volatility / 2, n)))
        frame = self.calendar.select("session", "open_at", "close_at").with_columns(
            symbol=pl.lit(symbol), open=pl.Series(opened), close=pl.Series(close), reach=pl.Series(reach)
        )
        return frame.with_columns(
            high=pl.max_horizontal("open", "close") * pl.col("reach"),
            low=pl.min_horizontal("open", "close") / pl.col("reach"),
            volume=pl.Series(rng.integers(1_000_000, 2_000_000, n).astype(float)),
        ).select(
            "session",
            "symbol",
            *(pl.col(name).round(2) for name in ("open", "high", "low", "close")),
            "volume",
            "open_at",
            "close_at",
        )


def _black_scholes(
    spot: float, strike: float, years: float, vol: float, right: str
) -> tuple[float, float, float, float]:
    total = vol * math.sqrt(years)
    d1 = math.log(spot / strike) / total + total / 2
    cdf = lambda x: 0.5 * (1 + math.erf(x / math.sqrt(2)))  # noqa: E731
    density = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
    call = spot * cdf(d1) - strike * cdf(d1 - total)
    price = call if right == "C" else call - spot + strike
    delta = cdf(d1) - (right == "P")
    return price, delta, density / (spot * total), spot * density * math.sqrt(years) / 100
