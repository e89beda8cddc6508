"""Breadth, risk regime and dark index on the stocks of 2012 to 2017 and the published index of SqueezeMetrics."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.regimes import labels
from gnosis.engines.sentiment import flow_and_dark_pool, technical_regime
from gnosis.engines.sentiment.dark_index import dark_index
from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.trailing import History
from gnosis.sessions import schedule
from gnosis.tables import TABLES
from gnosis.tables.engines.sentiment import FlowAndDarkPool, TechnicalRegime

pytestmark = pytest.mark.real_data


def keyed(table, frame, **columns):
    """Return rows of a table, known at the close of their session unless said otherwise."""
    schema = TABLES[table].polars_schema
    calendar = schedule().select("session", "close_at")
    rows = frame.join(calendar, on="session", how="inner").with_columns(
        ts="close_at", known_at=pl.col("close_at"), provider=pl.lit("file"), synthetic=False
    )
    return rows.with_columns(**columns).select(list(schema)).cast(schema)


@pytest.fixture(scope="module")
def stocks(shared_data):
    frame = pl.read_parquet(shared_data / "equities" / "stocknet_stocks_daily.parquet").rename(str.lower)
    prices = frame.select(
        *(pl.col(name).cast(pl.Float64) for name in ("open", "high", "low", "close", "volume")),
        session=pl.col("date").cast(pl.Date),
        symbol=pl.col("ticker").cast(pl.String),
        adjustment_factor=pl.col("adj close").cast(pl.Float64) / pl.col("close").cast(pl.Float64),
    ).drop_nulls()
    return keyed("raw.equity_bars", prices)


@pytest.fixture(scope="module")
def published(shared_data):
    frame = pl.read_csv(shared_data / "positioning" / "DIX.csv", try_parse_dates=True)
    return frame.rename({"date": "session", "price": "close"})


@pytest.fixture(scope="module")
def inputs(stocks, published, technical_inputs):
    own = stocks.filter(pl.col("symbol").is_in(["AAPL", "XOM"]))
    index = keyed("raw.index_levels", published, symbol=pl.lit("^GSPC"), open="close", high="close", low="close")
    dix = keyed("raw.dix", published, known_at=pl.col("close_at") + pl.duration(hours=3))
    found = technical_inputs(own, universe=stocks, index=index)
    dark = dark_index(found.points.frame, dix)
    return technical_inputs(own, universe=stocks, index=index, dark=dark)


def test_crash_of_august_2015(inputs):
    days = inputs.points.frame["session"].to_list()
    at = {day: days.index(dt.date(2015, 8, day)) for day in (24, 26)}
    share = inputs.breadth["sent_advance_decline_ratio"]
    assert share[at[24]] < 0.05 and share[at[26]] > 0.9
    assert labels("sent_risk_regime")[int(inputs.breadth["sent_risk_regime"][at[24]])] == "risk_off"
    assert inputs.breadth["sent_pct_above_ma"][at[24]] < 0.1


def test_dark_index_at_the_close_is_that_of_the_session_before(inputs, published):
    found = inputs.points.frame.with_columns(dix=pl.Series(inputs.dark_index["sent_dix"])).filter(
        pl.col("symbol") == "XOM"
    )
    want = published.sort("session").select("session", before=pl.col("dix").shift(1))
    both = found.join(want, on="session", how="inner")
    assert both.height > 1200 and both["dix"].equals(both["before"].alias("dix"))


def test_every_value_lies_within_its_range_and_every_label_of_the_two_stocks_occurs(inputs):
    history = History(inputs.points)
    # Without books and bars of one minute the flow rests on daily bars and the dark index.
    for process, part, best in (
        (technical_regime.process, TechnicalRegime, 1.0),
        (flow_and_dark_pool.process, FlowAndDarkPool, 0.7 * 0.3 + 0.3),
    ):
        result = process(inputs, history, SentimentParameters(), {})
        for name, values in result.values.items():
            known = values[~np.isnan(values)]
            column = part.columns()[name]
            assert known.size == 0 or (
                (getattr(column, "min", None) is None or known.min() >= column.min)
                and (getattr(column, "max", None) is None or known.max() <= column.max)
            ), name
        assert result.confidence[-1] == pytest.approx(best)
        for name in ("sent_multi_period_regime", "sent_volatility_regime", "sent_risk_regime", "sent_flow_regime"):
            if name in result.values:
                codes = result.values[name]
                assert set(codes[~np.isnan(codes)]) == set(range(len(labels(name)))), name
