"""Features made from prices, indices and macro against their readable twins and against numbers worked out by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from gnosis.engines.sentiment import sentiment as engine
from gnosis.engines.sentiment.breadth import CYCLICAL, DEFENSIVE
from gnosis.features.codes import labelled
from gnosis.features.proofs import sample_pairs
from gnosis.features.registry import FEATURES, features_of
from gnosis.features.sentiment import sentiment
from tests.gnosis.features.flawed_market import random_bars, trading_days
from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins import macro, regime, sentiment_prices, technical

Tables = Mapping[str, pl.DataFrame]
Pair = tuple[dt.date, str]
PARTS: dict[str, ModuleType] = {
    "sentiment": sentiment_prices,
    "technical": technical,
    "regime": regime,
    "macro": macro,
}
NUMBERS = {name: number for part in PARTS.values() for name, number in part.NUMBERS.items()}
OF_PRICES = [feature.name for feature in FEATURES if feature.producer == "technical_regime" or not feature.producer]
TROUBLE = (22, 121, 142, 282, 563, 564, 565, 581, 601, 611, 616, 621, 624, 626, 631, 639)
"""Sessions around everything that goes wrong."""


def assert_twins_agree(tables: Tables, rows: pl.DataFrame, twins: Mapping[str, Callable], pairs: list[Pair]) -> None:
    by_key = {(row["session"], row["symbol"]): row for row in labelled(rows).iter_rows(named=True)}
    for session, symbol in pairs:
        row = by_key[session, symbol]
        seen = Seen(tables, symbol, session, row["as_of"])
        for name, twin in twins.items():
            expected = twin(seen)
            told = pytest.approx(expected, rel=1e-9, abs=1e-12) if isinstance(expected, float) else expected
            assert row[name] == told, f"{name} of {symbol} on {session}"


def troubled(bars: pl.DataFrame, positions: tuple[int, ...], others: int) -> list[Pair]:
    days = bars["session"].unique().sort()
    found = bars.filter(pl.col("session").is_in([days[k] for k in positions]), pl.col("symbol") != "PLAIN")
    return sorted({*found.select("session", "symbol").iter_rows(), *sample_pairs(bars, others, seed=2).iter_rows()})


def test_every_feature_has_a_twin_and_a_number() -> None:
    for part in PARTS.values():
        assert part.TWINS.keys() == part.NUMBERS.keys()
    assert set(NUMBERS) == set(OF_PRICES)
    assert len(NUMBERS) == 73


@pytest.mark.parametrize("name", NUMBERS)
def test_number_worked_out_by_hand(name: str) -> None:
    found, expected = NUMBERS[name]()
    assert found == (pytest.approx(expected, rel=1e-9) if isinstance(expected, float) else expected)


@pytest.mark.parametrize("group", ["technical", "regime", "macro"])
def test_twins_of_the_feature_library(group: str, market: Tables, computed: dict[str, pl.DataFrame]) -> None:
    assert list(PARTS[group].TWINS) == [feature.name for feature in features_of(group)]
    pairs = troubled(market["raw.equity_bars"], TROUBLE, 12)
    assert_twins_agree(market, computed[group], PARTS[group].TWINS, pairs)


def test_twins_of_the_sentiment_of_prices(market: Tables) -> None:
    """The troubled symbols of the market in a universe that is large enough to have breadth, and its sector funds."""
    days = trading_days()
    names = [*(f"M{number:02d}" for number in range(8)), *CYCLICAL, *DEFENSIVE]
    others = [random_bars(name, 100 + number, days) for number, name in enumerate(names)]
    own = market["raw.equity_bars"]
    tables = {**market, "raw.equity_bars": pl.concat([own, *others])}
    pairs = troubled(own, (282, 564, 616, 631, 639), 8)
    sessions = sorted({session for session, _ in pairs})
    symbols = own["symbol"].unique().to_list()
    stored = engine(
        tables["raw.equity_bars"], index_levels=market["raw.index_levels"], symbols=symbols, sessions=sessions
    )
    rows = sentiment(own.filter(pl.col("session").is_in(sessions)), stored)
    assert_twins_agree(tables, rows, sentiment_prices.TWINS, pairs)
    known = rows.select(pl.col(name).count() for name in sentiment_prices.TWINS)
    assert np.array(known.row(0)).min() > 10
