"""Liquidity features against their readable twins and against numbers worked out by hand."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from gnosis.features.registry import BY_NAME, features_of
from gnosis.sessions import shift_session
from gnosis.tables import TABLES
from tests.gnosis.features.engine_market import (
    ENGINE_SESSIONS,
    LAST,
    POINTS,
    last_sessions,
    liquidity_rows,
    raw_tables,
)
from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins.liquidity import NUMBERS, TWINS

NAMES = [feature.name for feature in features_of("liquidity")]
ENGINE = "engines.liquidity"
PAIRS = [
    ("CCC", shift_session(LAST, -295)),
    ("BBB", shift_session(LAST, -236)),
    ("AAA", shift_session(LAST, -61)),
    ("BBB", shift_session(LAST, -24)),
    ("CCC", shift_session(LAST, -5)),
    ("AAA", LAST),
]
"""Before there are minutes and ranks, with ranks, with some and with all 5-minute bars, and with books."""


@pytest.fixture(scope="module")
def market():
    """Raw tables, and the rows that the engine made of them session by session."""
    tables = raw_tables()
    return tables | {ENGINE: rows_of(tables, TABLES[ENGINE].empty(), last_sessions(ENGINE_SESSIONS))}


def rows_of(tables, stored, sessions):
    own = tables["raw.equity_bars"].filter(pl.col("symbol").is_in(POINTS))
    return liquidity_rows(tables, own, stored, sessions)


def made_anew(market, **changed):
    """Return the market with the last session made anew from other raw tables and the stored rows before it."""
    tables = market | {f"raw.{name}": frame for name, frame in changed.items()}
    before = tables[ENGINE].filter(pl.col("session") < LAST)
    return tables | {ENGINE: pl.concat([before, rows_of(tables, before, [LAST])])}


def disagreements(tables, symbol, session=LAST, names=NAMES):
    """Return what the engine and the twins say where they differ."""
    row = tables[ENGINE].filter(symbol=symbol, session=session).row(0, named=True)
    seen = Seen(tables, symbol, session, row["as_of"])
    found = {name: (row[name], TWINS[name](seen)) for name in names}
    return {name: pair for name, pair in found.items() if not is_same(*pair)}


def is_same(found, twin):
    if isinstance(found, float) and twin is not None:
        return found == pytest.approx(twin, rel=1e-9, abs=1e-12)
    return found == twin


def known(tables, symbol):
    row = tables[ENGINE].filter(symbol=symbol, session=LAST).row(0, named=True)
    return {name for name in NAMES if row[name] is not None}


def test_every_feature_has_a_twin_and_a_number():
    assert list(TWINS) == list(NUMBERS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_number_worked_out_by_hand(name):
    found, expected = NUMBERS[name]()
    assert found == (pytest.approx(expected, rel=1e-9) if isinstance(expected, float) else expected)


@pytest.mark.parametrize(("symbol", "session"), PAIRS)
def test_rows_are_those_of_the_twins(market, symbol, session):
    assert disagreements(market, symbol, session) == {}


def test_the_last_row_knows_everything(market):
    assert all(known(market, symbol) == set(NAMES) for symbol in POINTS)


def test_daily_forms(market):
    """Without books, minutes and files; the last session has quiet prices and volume, or a move on volume."""
    bars = market["raw.equity_bars"]
    own = (pl.col("session") == LAST) & pl.col("symbol").is_in(POINTS)
    before = bars.filter(pl.col("session") == shift_session(LAST, -1)).select("symbol", was="close")
    bars = bars.join(before, on="symbol", how="left", maintain_order="left")
    move = pl.col("symbol").replace_strict({"AAA": 1.0, "BBB": 1.15}, default=0.99, return_dtype=pl.Float64)
    close = pl.when(own).then(pl.col("was") * move).otherwise("close")
    bars = bars.with_columns(close=close, volume=pl.when(own).then(pl.col("volume") * 4).otherwise("volume"))
    bars = bars.with_columns(high=pl.max_horizontal("high", "close"), low=pl.min_horizontal("low", "close")).drop("was")
    none = {name: market[f"raw.{name}"].clear() for name in ("intraday_bars", "order_books", "short_volume")}
    tables = made_anew(market, equity_bars=bars, **none)
    alerts = {}
    for symbol in POINTS:
        assert disagreements(tables, symbol) == {}
        lacking = set(NAMES) - known(tables, symbol)
        assert lacking == {name for name in NAMES if BY_NAME[name].fallback == "null"}
        row = tables[ENGINE].filter(symbol=symbol, session=LAST)
        alerts[symbol] = row.select("liq_sweep_alert", "liq_iceberg_alert").row(0)
        assert row["liq_confidence"].item() <= 0.3
    assert alerts["AAA"] == (False, True)
    assert alerts["BBB"] == (True, False)


def test_trouble_in_the_last_weeks(market):
    """A split, halts, bars without volume, snapshots that are crossed or late, minutes and files that are missing."""
    number, session, symbol = pl.int_range(pl.len()), pl.col("session"), pl.col("symbol")
    bars, five, books, shorts = (
        market[f"raw.{name}"] for name in ("equity_bars", "intraday_bars", "order_books", "short_volume")
    )
    is_split = (symbol == "AAA") & (session >= shift_session(LAST, -9))
    prices = [
        pl.when(is_split).then(pl.col(name) / 2).otherwise(name).alias(name)
        for name in ("open", "high", "low", "close")
    ]
    shares = pl.when(is_split).then(pl.col("volume") * 2).otherwise("volume")
    is_halted = (symbol == "BBB") & session.is_in([shift_session(LAST, -k) for k in (3, 17, 44, 90)])
    is_silent = (symbol == "CCC") & session.is_in([shift_session(LAST, -k) for k in (2, 30)])
    tables = made_anew(
        market,
        equity_bars=bars.with_columns(
            *prices,
            volume=pl.when(is_silent).then(None).otherwise(shares),
            adjustment_factor=pl.when(is_split).then(pl.col("adjustment_factor") * 2).otherwise("adjustment_factor"),
        ).filter(~is_halted),
        intraday_bars=five.with_columns(*prices, volume=pl.when(number % 19 == 0).then(None).otherwise(shares)).filter(
            number % 13 != 0
        ),
        order_books=books.with_columns(
            price=pl.when(is_split).then(pl.col("price") / 2).otherwise("price")
            * pl.when((pl.col("side") == "B") & (pl.col("ts").dt.minute() == 50)).then(1.01).otherwise(1.0),
            known_at=pl.when(pl.col("ts").dt.minute() == 57)
            .then(pl.col("known_at") + dt.timedelta(days=1))
            .otherwise("known_at"),
        ).filter((number % 29 != 0) | (pl.col("level") > 1)),
        short_volume=shorts.with_columns(
            total_volume=pl.when(number % 31 == 0).then(pl.col("short_volume") / 2).otherwise("total_volume")
        ).filter((number % 7 != 0) & (session < shift_session(LAST, -2))),
    )
    for name in POINTS:
        assert disagreements(tables, name) == {}
    assert known(tables, "AAA") == set(NAMES)
    assert not {"liq_n_voids", "liq_compression_energy", "liq_wyckoff_energy"} & known(tables, "BBB")
    assert set(NAMES) - known(tables, "CCC") == {"liq_buying_effort", "liq_selling_effort", "liq_wyckoff_energy"}


def test_a_book_of_one_level(market):
    best = market["raw.order_books"].filter(pl.col("level") == 1)
    tables = made_anew(market, order_books=best, intraday_bars=market["raw.intraday_bars"].filter(frequency="5min"))
    for symbol in POINTS:
        assert disagreements(tables, symbol) == {}
        assert set(NAMES) - known(tables, symbol) == {"liq_iceberg_alert"}


def test_where_files_are_missing_older_ones_do_not_take_their_place(market):
    """To the bit: what lies further back than the lookback is not read."""
    names = ("liq_hidden_accumulation", "liq_dark_pool_pressure", "liq_short_squeeze_pressure")
    gappy = market["raw.short_volume"].filter(pl.col("session").dt.ordinal_day() % 3 != 0)
    whole = made_anew(market, short_volume=gappy)[ENGINE].filter(session=LAST)
    assert all(
        disagreements(market | {"raw.short_volume": gappy, ENGINE: whole}, "AAA", names=names) == {} for _ in "1"
    )
    for name in names:
        since = pl.col("session") >= shift_session(LAST, 1 - BY_NAME[name].lookback_sessions)
        cut = {table: market[f"raw.{table}"].filter(since) for table in ("equity_bars", "intraday_bars", "order_books")}
        short = made_anew(market, short_volume=gappy.filter(since), **cut)[ENGINE].filter(session=LAST)
        assert short[name].equals(whole[name])
        assert short[name].null_count() == 0


def test_one_year_of_rows_is_all_that_the_confidence_reads(market):
    sessions = BY_NAME["liq_confidence"].lookback_sessions
    tables = {
        name: rows.filter(pl.col("session") >= shift_session(LAST, 1 - sessions)) for name, rows in market.items()
    }
    found, whole = (made_anew(rows)[ENGINE].filter(session=LAST)["liq_confidence"] for rows in (tables, market))
    assert found.equals(whole)
    one_less = tables | {ENGINE: tables[ENGINE].filter(pl.col("session") > tables[ENGINE]["session"].min())}
    assert (made_anew(one_less)[ENGINE].filter(session=LAST)["liq_confidence"] < whole).all()
