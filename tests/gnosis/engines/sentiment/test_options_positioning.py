"""What option buyers lean to: sums over a chain, and the reading against its own history (5.6)."""

from __future__ import annotations

import dataclasses
import datetime as dt
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from gnosis.engines.points import Points
from gnosis.engines.regimes import Positioning
from gnosis.engines.sentiment import options_positioning
from gnosis.engines.sentiment.chain_sums import ChainSums
from gnosis.engines.sentiment.inputs import ELASTICITY
from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.trailing import History
from gnosis.sessions import schedule, sessions_between, shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
CLOSE = dt.datetime(2019, 5, 1, 20, tzinfo=dt.UTC)
ELASTIC = {"hedge_confidence": 0.9, "skew_25d_volpts": 4.0, "atm_iv_30d": 0.2, "term_slope_volpts": 1.5}


def point(as_of=CLOSE):
    return Points.of(pl.DataFrame({"symbol": ["AAA"], "session": [SESSION], "as_of": [as_of]}))


def chain(rows, symbol="AAA", minutes_before=15):
    """Return quotes of (right, days to expiry, strike, volume, open interest) at spot 100."""
    ts = CLOSE - dt.timedelta(minutes=minutes_before)
    schema = TABLES["raw.option_quotes"].polars_schema
    shared = {"session": SESSION, "symbol": symbol, "settlement": "pm", "root": symbol, "ts": ts, "known_at": ts}
    shared |= {"multiplier": 100.0, "style": "A", "spot": 100.0, "provider": "files", "synthetic": False}
    frame = [
        shared
        | {
            "right": right,
            "expiry": SESSION + dt.timedelta(days=days),
            "strike": strike,
            "volume": volume,
            "open_interest": oi,
        }
        for right, days, strike, volume, oi in rows
    ]
    plain = {name: pl.String() if isinstance(dtype, pl.Enum) else dtype for name, dtype in schema.items()}
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in frame], schema=plain).cast(schema)


CHAIN = [
    ("C", 30, 105.0, 40.0, 10.0),
    ("C", 30, 95.0, 20.0, 20.0),
    ("C", 60, 105.0, 40.0, 30.0),
    ("C", 61, 105.0, 100.0, 1000.0),
    ("P", 30, 95.0, 120.0, 90.0),
    ("P", 90, 95.0, 80.0, 1000.0),
]


def run(quotes=None, stored=None, **elasticity):
    points = point()
    known = {name: np.full(1, np.nan) for name in ELASTICITY} | {name: np.array([v]) for name, v in elasticity.items()}
    inputs = SimpleNamespace(points=points, chains=ChainSums.of(points, quotes), elasticity=known)
    result = options_positioning.process(inputs, History(points, stored), SentimentParameters(), {})
    values = {name: np.asarray(part).item() for name, part in result.values.items()}
    return values, result.confidence.item(), {code for code, where in result.reasons.items() if where.item()}


def past(n=252, **columns):
    days = sessions_between(shift_session(SESSION, -n), shift_session(SESSION, -1))
    closes = schedule().filter(pl.col("session").is_in(days))["close_at"]
    return pl.DataFrame({"symbol": "AAA", "session": days, "as_of": closes, **columns})


def test_sums_over_the_chain():
    values, *_ = run(chain(CHAIN))
    assert values["put_call_volume_ratio"] == pytest.approx(1.2)
    assert values["put_call_oi_ratio_60d"] == pytest.approx(1.5)
    assert values["call_volume_share_otm_short"] == pytest.approx(0.1)


@pytest.mark.parametrize(("days", "share"), [(34, 0.5), (35, 0.5), (36, 0.0)])
def test_short_calls_expire_within_35_days(days, share):
    values, *_ = run(chain([("C", days, 105.0, 40.0, 1.0), ("P", 30, 95.0, 40.0, 1.0)]))
    assert values["call_volume_share_otm_short"] == share


def test_versions_order_and_rows_known_later():
    later = chain([("C", 30, 105.0, 999.0, 1.0)], minutes_before=-5)
    newer = chain([("C", 30, 105.0, 60.0, 10.0)], minutes_before=1)
    quotes = chain(CHAIN)

    def sums(frame, minutes_before=0):
        return dataclasses.astuple(ChainSums.of(point(CLOSE - dt.timedelta(minutes=minutes_before)), frame))[:-1]

    expected = sums(quotes)
    assert sums(pl.concat([later, quotes.reverse(), quotes])) == expected
    assert sums(pl.concat([newer, quotes]))[0].item() == 120.0
    assert sums(pl.concat([newer, quotes]), minutes_before=10) == expected


def test_unknown_volume_is_not_zero():
    quotes = chain(CHAIN).with_columns(volume=pl.lit(None, pl.Float64))
    values, *_ = run(quotes)
    assert np.isnan(values["put_call_volume_ratio"])
    assert values["put_call_oi_ratio_60d"] == pytest.approx(1.5)
    assert np.isnan(run(chain(CHAIN[4:]))[0]["put_call_volume_ratio"])


def test_gamma_of_traded_calls():
    """G_c of 2.9: gamma x volume x multiplier x S^2 of calls above spot within 35 days."""
    quotes = chain(CHAIN)
    schema = TABLES["greeks.option_greeks"].polars_schema
    greeks = quotes.select(
        *(pl.col(name) if name in quotes.columns else pl.lit(None, dtype).alias(name) for name, dtype in schema.items())
    )
    greeks = greeks.with_columns(gamma_per_usd=pl.lit(0.05)).cast(schema)
    found = ChainSums.of(point(), quotes, greeks).call_gamma_usd_per_unit.item()
    assert found == pytest.approx(0.05 * 40 * 100 * 100**2)


def test_reading_against_its_own_history():
    rng = np.random.default_rng(2)
    ratios, skews = np.exp(rng.normal(0.0, 0.3, 252)), rng.normal(3.0, 1.0, 252)
    values, confidence, reasons = run(
        chain(CHAIN), past(put_call_volume_ratio=ratios, skew_25d_volpts=skews, atm_iv_30d=np.full(252, 0.1)), **ELASTIC
    )
    z = [(np.log(1.2) - np.log(ratios).mean()) / np.log(ratios).std(ddof=1), (4.0 - skews.mean()) / skews.std(ddof=1)]
    assert values["options_positioning_v"] == pytest.approx(-np.tanh(np.mean(z) / 2))
    assert values["iv_rank"] == 1.0
    assert confidence == pytest.approx(0.9)
    assert reasons == set()


def test_one_term_halves_the_confidence():
    skews = np.random.default_rng(2).normal(3.0, 1.0, 126)
    values, confidence, reasons = run(None, past(126, skew_25d_volpts=skews), **ELASTIC)
    assert values["options_positioning_v"] == pytest.approx(-np.tanh((4.0 - skews.mean()) / skews.std(ddof=1) / 2))
    assert confidence == pytest.approx(0.9 / 4)
    assert reasons == {"LOW_COVERAGE", "SHORT_HISTORY"}


def test_without_history_there_is_no_reading():
    values, confidence, reasons = run(chain(CHAIN), **ELASTIC)
    assert np.isnan(values["options_positioning_v"])
    assert (confidence, reasons) == (0.0, {"SHORT_HISTORY"})
    assert run()[1:] == (0.0, {"NO_CHAIN"})


@pytest.mark.parametrize(
    ("low", "label"),
    [
        (0, Positioning.FEARFUL),
        (25, Positioning.FEARFUL),
        (26, Positioning.NEUTRAL),
        (226, Positioning.NEUTRAL),
        (227, Positioning.GREEDY),
        (252, Positioning.GREEDY),
    ],
)
def test_every_label(low, label):
    skews = np.random.default_rng(2).normal(4.0, 1.0, 252)
    readings = np.where(np.arange(252) < low, -0.99, 0.99)
    values, *_ = run(None, past(skew_25d_volpts=skews, options_positioning_v=readings), **ELASTIC)
    assert list(Positioning)[int(values["positioning"])] == label
