"""Hedge features against their readable twins and against numbers worked out by hand."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from gnosis.features.registry import features_of
from gnosis.sessions import shift_session
from tests.gnosis.features.engine_market import LAST, market_tables, night_rows
from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins.hedge import NUMBERS, TWINS

NAMES = [feature.name for feature in features_of("hedge")]
PAIRS = [
    ("AAA", shift_session(LAST, -299)),
    ("BBB", shift_session(LAST, -236)),
    ("AAA", shift_session(LAST, -101)),
    ("BBB", shift_session(LAST, -40)),
    ("AAA", LAST),
]
"""The first session of the chains, the first whose past suffices for a quantile, and some with all of their past."""


def naive(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("sign_convention").cast(pl.String) == "naive")


@pytest.fixture(scope="module")
def stored():
    """Views of the market at :data:`PAIRS`, each with the row that the engine made of it."""
    tables = market_tables()
    return [view(tables, symbol, session) for symbol, session in PAIRS]


@pytest.fixture(scope="module")
def troubled():
    """The last session anew, after much went wrong in it: both symbols with their rows."""
    tables = market_tables()
    quotes, bars = tables["raw.option_quotes"], tables["raw.equity_bars"]
    number, is_last = pl.int_range(pl.len()), pl.col("session") == LAST
    broken = (
        quotes.filter(~is_last | (number % 7 != 0))
        .with_columns(
            bid=pl.when(is_last & (number % 9 == 0)).then(0.0).otherwise("bid"),
            ts=pl.when(is_last & (number % 11 == 0)).then(pl.col("ts") - dt.timedelta(minutes=9)).otherwise("ts"),
            open_interest=pl.when(is_last & (number % 3 == 0)).then(None).otherwise("open_interest"),
        )
        .select(quotes.columns)
    )
    is_paused = (pl.col("symbol") == "BBB") & pl.col("session").is_between(
        shift_session(LAST, -11), shift_session(LAST, -1)
    )
    is_vix_gone = is_last & (pl.col("symbol") == "^VIX")
    made = tables | {
        "raw.option_quotes": broken,
        "raw.equity_bars": bars.with_columns(volume=pl.when(is_paused).then(None).otherwise("volume")),
        "raw.index_levels": tables["raw.index_levels"].filter(~is_vix_gone),
    }
    new = night_rows(made, [LAST], "engines.elasticity")
    before = {name: tables[name].filter(pl.col("session") < LAST) for name in new}
    made |= {name: pl.concat([before[name], rows.filter(is_last)]) for name, rows in new.items()}
    return [view(made, symbol, LAST) for symbol in ("AAA", "BBB")]


def view(tables, symbol, session):
    row = naive(tables["engines.elasticity"]).filter(symbol=symbol, session=session).row(0, named=True)
    return Seen(tables, symbol, session, row["as_of"]), row


def assert_agrees(found, twin, where):
    if isinstance(twin, float):
        assert found == pytest.approx(twin, rel=1e-9, abs=1e-15), where
    else:
        assert found == twin, where


def test_every_feature_has_a_twin_and_a_number():
    assert list(TWINS) == list(NUMBERS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_twin(stored, name):
    twins = [(seen, row[name], TWINS[name](seen)) for seen, row in stored]
    for seen, found, twin in twins:
        assert_agrees(found, twin, f"{seen.symbol} {seen.session}")
    assert twins[-1][2] is not None


@pytest.mark.parametrize("name", NAMES)
def test_twin_where_much_is_missing(troubled, name):
    for seen, row in troubled:
        assert_agrees(row[name], TWINS[name](seen), f"{seen.symbol} {seen.session}")


def test_much_is_missing(troubled):
    unknown = [{name for name in NAMES if row[name] is None} for _, row in troubled]
    # Without VIX there is one z-score alone; without volume nothing is against ADV.
    assert unknown[0] == {"hedge_jump_risk_regime", "hedge_primary_regime", "hedge_regime_stability"}
    assert unknown[0] < unknown[1]
    assert {"hedge_pressure_up", "hedge_elasticity", "hedge_gamma_regime"} <= unknown[1]
    assert all(0 < row["hedge_confidence"] < 0.9 for _, row in troubled)


@pytest.mark.parametrize("name", NAMES)
def test_number(name):
    found, expected = NUMBERS[name]()
    assert found == expected
