"""Slow, readable twins of every formula, written from the definitions alone, as oracle for the kernels."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest

from gnosis.features.proofs import sample_pairs
from gnosis.features.registry import BY_NAME, features_of
from gnosis.sessions import schedule

Tables = Mapping[str, pl.DataFrame]
DAYS = schedule()["session"].to_list()
RANK = {day: rank for rank, day in enumerate(DAYS)}


def recursive_mean(values: list[float], seed: int, weight: float) -> list[float]:
    means = [sum(values[:seed]) / seed]
    for value in values[seed:]:
        means.append(means[-1] + weight * (value - means[-1]))
    return means


def wilder(values: list[float]) -> float:
    assert len(values) == 140
    return recursive_mean(values, 14, 1 / 14)[-1]


class Bars:
    """One symbol's bars as they could be read at one session, by sessions back from it."""

    def __init__(self, rows: pl.DataFrame, symbol: str, session: dt.date) -> None:
        own = {row["session"]: row for row in rows.filter(pl.col("symbol") == symbol).iter_rows(named=True)}
        as_of = own[session]["known_at"]
        self.bars = {
            RANK[session] - RANK[day]: row for day, row in own.items() if day <= session and row["known_at"] <= as_of
        }

    def price(self, back: int, column: str = "close") -> float:
        bar = self.bars[back]
        return bar[column] * bar["adjustment_factor"]

    def has(self, count: int, back: int = 0) -> bool:
        return all(k in self.bars for k in range(back, back + count))

    def backs(self, count: int, back: int = 0) -> range:
        """Sessions back, oldest first."""
        return range(back + count - 1, back - 1, -1)

    def true_range(self, k: int) -> float:
        high, low, before = self.price(k, "high"), self.price(k, "low"), self.price(k + 1)
        return max(high - low, abs(high - before), abs(low - before))

    def directional(self, k: int) -> tuple[float, float]:
        up = self.price(k, "high") - self.price(k + 1, "high")
        down = self.price(k + 1, "low") - self.price(k, "low")
        return (up if up > down and up > 0 else 0.0), (down if down > up and down > 0 else 0.0)

    def log_return(self, k: int) -> float | None:
        return math.log(self.price(k) / self.price(k + 1)) if self.has(2, k) else None

    def histogram(self, back: int) -> float | None:
        if not self.has(210, back):
            return None
        closes = [self.price(k) for k in self.backs(210, back)]
        fast, slow = recursive_mean(closes, 1, 2 / 13), recursive_mean(closes, 1, 2 / 27)
        macd = [a - b for a, b in zip(fast, slow, strict=True)]
        return (macd[-1] - recursive_mean(macd[-54:], 1, 2 / 10)[-1]) / closes[-1]

    def rsi(self, back: int) -> float | None:
        if not self.has(141, back):
            return None
        changes = [self.price(k) - self.price(k + 1) for k in self.backs(140, back)]
        up, down = wilder([max(c, 0.0) for c in changes]), wilder([max(-c, 0.0) for c in changes])
        return 100 * up / (up + down) if up + down else 50.0

    def atr(self, back: int) -> float | None:
        return wilder([self.true_range(k) for k in self.backs(140, back)]) if self.has(141, back) else None

    def adx(self) -> float | None:
        if not self.has(281):
            return None
        pairs = [self.directional(k) for k in self.backs(280)]
        plus = recursive_mean([p for p, _ in pairs], 14, 1 / 14)[-140:]
        minus = recursive_mean([m for _, m in pairs], 14, 1 / 14)[-140:]
        return wilder([100 * abs(p - m) / (p + m) for p, m in zip(plus, minus, strict=True)])

    def roc(self, n: int) -> float | None:
        return self.price(0) / self.price(n) - 1 if self.has(n + 1) else None

    def score(self) -> float | None:
        own = self.log_return(0)
        sample = [r for r in (self.log_return(k) for k in range(1, 21)) if r is not None]
        if own is None or len(sample) < 10:
            return None
        return (own - statistics.mean(sample)) / statistics.stdev(sample)


def technical_twin(bars: Bars) -> dict[str, float | None]:
    def slope(now: float | None, before: float | None) -> float | None:
        return None if now is None or before is None else (now - before) / 3

    atr, has_di = bars.atr(0), bars.has(141)
    atrs = [bars.atr(k) for k in range(20)]
    pairs = [bars.directional(k) for k in bars.backs(140)] if has_di else []
    return {
        "tech_macd_histogram": bars.histogram(0),
        "tech_macd_histogram_slope": slope(bars.histogram(0), bars.histogram(3)),
        "tech_rsi_slope": slope(bars.rsi(0), bars.rsi(3)),
        "tech_atr": atr / bars.price(0) if atr else None,
        "tech_atr_expansion": atr / (sum(atrs) / 20) if atr and None not in atrs else None,
        "tech_roc_5": bars.roc(5),
        "tech_roc_10": bars.roc(10),
        "tech_roc_20": bars.roc(20),
        "tech_momentum_zscore": bars.score(),
        "tech_adx": bars.adx(),
        "tech_plus_di": 100 * wilder([p for p, _ in pairs]) / atr if atr else None,
        "tech_minus_di": 100 * wilder([m for _, m in pairs]) / atr if atr else None,
    }


def regime_twin(bars: Bars, levels: pl.DataFrame, session: dt.date, as_of: dt.datetime) -> dict[str, object]:
    def known(symbol: str) -> dict[int, float]:
        rows = levels.filter(pl.col("symbol") == symbol, pl.col("session") <= session, pl.col("known_at") <= as_of)
        return {RANK[row["session"]]: row["close"] for row in rows.iter_rows(named=True)}

    def anchor(closes: dict[int, float]) -> int | None:
        return next((RANK[session] - back for back in range(3) if RANK[session] - back in closes), None)

    def vol(at: int) -> float | None:
        if any(k not in spx for k in range(at - 20, at + 1)):
            return None
        steps = [math.log(spx[k] / spx[k - 1]) for k in range(at - 19, at + 1)]
        return float(np.std(steps, ddof=1)) * math.sqrt(252)

    vix, spx = known("^VIX"), known("^GSPC")
    out: dict[str, object] = dict.fromkeys(feature.name for feature in features_of("regime"))
    at = anchor(vix)
    if at is not None:
        out["regime_vix"] = vix[at]
        cuts = [("low", 15), ("normal", 20), ("elevated", 30), ("crisis", math.inf)]
        out["regime_vix_bucket"] = next(name for name, cut in cuts if vix[at] < cut)
        out["regime_vix_change"] = vix[at] / vix[at - 1] - 1 if at - 1 in vix else None
    at = anchor(spx)
    if at is not None:
        window = [spx.get(k) for k in range(at - 199, at + 1)]
        out["regime_spx_price_gap"] = None if None in window else math.log(spx[at] / (sum(window) / 200))
        own = out["regime_spx_realized_vol"] = vol(at)
        sample = [v for v in (vol(k) for k in range(at - 504, at)) if v is not None]
        if own is not None and len(sample) >= 126:
            low, high = np.percentile(sample, [33, 67])
            out["regime_spx_vol_bucket"] = "low" if own < low else "high" if own > high else "medium"
    strength = bars.adx()
    if strength is not None:
        slope = sum(bars.price(k) for k in range(50)) / 50 - sum(bars.price(k) for k in range(10, 60)) / 50
        trend = "uptrend" if slope > 0 else "downtrend"
        out["regime_market_structure"] = trend if strength > 25 else "chop" if strength < 20 else "rotation"
    out["regime_session"] = "regular"
    volumes = {k: bar["volume"] and bar["volume"] / bar["adjustment_factor"] for k, bar in bars.bars.items()}
    usual = [volumes[k] for k in range(1, 21) if volumes.get(k) is not None]
    if volumes[0] is not None and len(usual) >= 10:
        ratio = volumes[0] / statistics.mean(usual)
        out["regime_liquidity_time"] = "high" if ratio > 1.2 else "low" if ratio < 0.8 else "normal"
    return out


def macro_twin(observations: pl.DataFrame, session: dt.date, as_of: dt.datetime) -> dict[str, float | None]:
    close = schedule().filter(pl.col("session") == session)["close_at"].item()
    vintage: dict[str, dict[dt.date, float]] = {}
    for row in observations.filter(pl.col("known_at") <= min(as_of, close)).sort("known_at").iter_rows(named=True):
        vintage.setdefault(row["series_id"], {})[row["ref_date"]] = row["value"]

    def first_day(name: str) -> dt.date:
        return DAYS[RANK[session] - BY_NAME[name].lookback_sessions + 1]

    out: dict[str, float | None] = dict.fromkeys(feature.name for feature in features_of("macro"))
    for name in ("macro_fed_funds_rate", "macro_unemployment_rate", "macro_gdp_growth", "macro_credit_spread"):
        values = vintage.get(BY_NAME[name].series[0], {})
        if values and max(values) >= first_day(name):
            out[name] = values[max(values)]
    both = vintage.get("DGS10", {}).keys() & vintage.get("DGS2", {}).keys()
    if both and max(both) >= first_day("macro_yield_curve"):
        out["macro_yield_curve"] = vintage["DGS10"][max(both)] - vintage["DGS2"][max(both)]
    prices = vintage.get("CPIAUCSL", {})
    if prices:
        month = max(prices)
        base = month.replace(year=month.year - 1)
        if base in prices and base >= first_day("macro_inflation_rate"):
            out["macro_inflation_rate"] = 100 * (prices[month] / prices[base] - 1)
    return out


def assert_same(found: dict[str, object], expected: dict[str, object], where: str) -> None:
    for name, value in expected.items():
        if isinstance(value, float):
            assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), f"{name} {where}"
        else:
            assert found[name] == value, f"{name} {where}"


@pytest.fixture(scope="module")
def pairs(market: Tables) -> list[tuple[dt.date, str]]:
    """Sessions around everything that goes wrong, and some others."""
    bars = market["raw.equity_bars"]
    days = bars["session"].unique().sort()
    trouble = [days[k] for k in (22, 121, 142, 282, 581, 563, 564, 565, 601, 611, 616, 621, 624, 626, 631, 639)]
    troubled = bars.filter(pl.col("session").is_in(trouble), pl.col("symbol") != "PLAIN")
    return sorted({*troubled.select("session", "symbol").iter_rows(), *sample_pairs(bars, 40, seed=2).iter_rows()})


def row_of(rows: pl.DataFrame, session: dt.date, symbol: str) -> dict[str, object]:
    return rows.row(by_predicate=(pl.col("session") == session) & (pl.col("symbol") == symbol), named=True)


def test_technical(market: Tables, computed: dict[str, pl.DataFrame], pairs: list[tuple[dt.date, str]]) -> None:
    for session, symbol in pairs:
        twin = technical_twin(Bars(market["raw.equity_bars"], symbol, session))
        assert_same(row_of(computed["technical"], session, symbol), twin, f"of {symbol} on {session}")


def test_regime(market: Tables, computed: dict[str, pl.DataFrame], pairs: list[tuple[dt.date, str]]) -> None:
    for session, symbol in pairs:
        found = row_of(computed["regime"], session, symbol)
        bars = Bars(market["raw.equity_bars"], symbol, session)
        twin = regime_twin(bars, market["raw.index_levels"], session, found["as_of"])
        assert_same(found, twin, f"of {symbol} on {session}")


def test_macro(market: Tables, computed: dict[str, pl.DataFrame], pairs: list[tuple[dt.date, str]]) -> None:
    for session, symbol in pairs:
        found = row_of(computed["macro"], session, symbol)
        assert_same(found, macro_twin(market["raw.macro"], session, found["as_of"]), f"of {symbol} on {session}")
