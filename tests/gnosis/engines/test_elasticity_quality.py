import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.elasticity import elasticity
from gnosis.engines.elasticity.quality import LISTED, chain_quality, expected_listing
from gnosis.engines.regimes import AMPLIFICATION_REGIMES, AmplificationRegime
from gnosis.options.positioning.exposure import exposure
from gnosis.reasons import REASONS, reasons_where
from gnosis.sessions import shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
CONTRACTS = [(r, k, oi) for r in ("C", "P") for k, oi in ((85.0, 50.0), (95.0, 100.0), (100.0, 300.0), (105.0, 50.0))]


@pytest.fixture(scope="module")
def chain(book):
    return pl.concat([book(CONTRACTS, days=days) for days in (2, 30)])


def quality(greeks, listing=None):
    chains = greeks.select("session", "symbol", "spot").unique()
    return chain_quality(greeks, chains, listing).row(0, named=True)


def set_where(frame, condition, **values):
    columns = {
        name: pl.when(condition).then(pl.lit(value)).otherwise(name).cast(frame.schema[name])
        for name, value in values.items()
    }
    return frame.with_columns(**columns)


def test_whole_chain(chain):
    row = quality(chain)
    assert (row["freshness"], row["oi_coverage"], row["near_coverage"]) == (1.0, 1.0, 1.0)
    assert row["has_iv"] and row["has_oi"] and not row["is_oi_stale"]


def test_shares_are_of_what_they_say(chain):
    frame = set_where(
        chain, (pl.col("strike") == 100) & (pl.col("dte_days") == 2), iv=None, iv_source="none", reason="wide"
    )
    row = quality(frame)
    assert row["oi_coverage"] == pytest.approx(1 - 600 / 2000)
    assert row["near_coverage"] == pytest.approx(10 / 12)
    assert row["wide_share"] == pytest.approx(2 / 12)
    assert row["stale_share"] == 0.0


def test_age_of_open_interest_halves_freshness(chain):
    old = set_where(chain, pl.col("dte_days") == 2, oi_session=shift_session(SESSION, -3))
    assert quality(old)["freshness"] == pytest.approx((1 + 0.25) / 2)
    assert not quality(old)["is_oi_stale"]
    assert quality(set_where(chain, pl.col("strike") > 90, oi_session=shift_session(SESSION, -2)))["is_oi_stale"]


def test_settled_contracts_are_not_expected(chain):
    assert quality(set_where(chain, pl.col("dte_days") == 2, iv=None, reason="settled")) == quality(chain)


def test_listing_is_what_was_expected(chain):
    listing = chain.select(LISTED)
    half = chain.filter(pl.col("right") == "C")
    row = quality(half, listing)
    assert (row["freshness"], row["oi_coverage"], row["near_coverage"]) == pytest.approx((0.5, 0.5, 0.5))
    assert quality(half)["oi_coverage"] == 1.0


def test_expected_are_the_unexpired_contracts_of_the_session_before(book):
    before = shift_session(SESSION, -1)
    tomorrow, over_tomorrow = [(SESSION + dt.timedelta(days=days) - before).days for days in (0, 1)]
    yesterday = pl.concat([book(CONTRACTS, session=before, days=days) for days in (tomorrow, over_tomorrow, 30)])
    morning = set_where(yesterday, pl.col("dte_days") == tomorrow, settlement="am")
    older = book(CONTRACTS, session=shift_session(SESSION, -2), days=60)
    assert expected_listing(pl.concat([older, yesterday])).filter(pl.col("session") == SESSION).height == 24
    found = expected_listing(morning)
    assert found.columns == LISTED
    assert found["session"].unique().to_list() == [SESSION]
    assert found["expiry"].min() == SESSION + dt.timedelta(days=1)
    assert found["open_interest"].sum() == 2 * 1000.0


def test_the_asset_notices_a_chain_that_arrived_in_part(book, bars):
    from assets.engines import elasticity as asset

    before = shift_session(SESSION, -1)
    yesterday, today = book(CONTRACTS, session=before, days=31), book(CONTRACTS, days=30)

    class HalfANight:
        """A night whose chain of today lacks the puts."""

        def read(self, table, lookback=0):
            stored = {
                "greeks.option_greeks": pl.concat([yesterday, today.filter(pl.col("right") == "C")]),
                "raw.equity_bars": bars(),
            }
            stored["greeks.exposure"] = exposure(stored["greeks.option_greeks"])
            frame = stored[table]
            return frame.filter(pl.col("session") >= shift_session(SESSION, -lookback))

        def only(self, frame):
            return frame.filter(pl.col("session") == SESSION)

    row = asset.make(HalfANight()).row(0, named=True)
    assert "LOW_COVERAGE" in row["reasons"]
    assert row["confidence"] == pytest.approx(0.25)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 1.0))
def test_deleting_rows_never_raises_confidence(chain, mini_bars, seed, share):
    rng = np.random.default_rng(seed)
    n, m = chain.height, mini_bars.height
    keep, days = rng.random(n) < share, rng.random(m) < np.sqrt(share)
    again, fewer_days = keep & (rng.random(n) < 0.7), days & (rng.random(m) < 0.8)
    no_oi = pl.Series(rng.random(n) < 0.3)
    poorer = chain.with_columns(open_interest=pl.when(no_oi).then(None).otherwise("open_interest"))
    listing = chain.select(LISTED)

    def confidence(greeks, bars):
        if greeks.is_empty():
            return 0.0
        rows = elasticity(greeks, exposure(greeks), bars, listing=listing)
        low = rows.filter(pl.col("confidence") < 0.8)
        assert (low["reasons"].str.len_chars() > 0).all()
        return rows["confidence"].max()

    whole = confidence(chain.filter(keep), mini_bars.filter(days))
    assert confidence(chain.filter(again), mini_bars.filter(fewer_days)) <= whole
    assert confidence(poorer.filter(keep), mini_bars.filter(days)) <= whole
    assert whole <= confidence(chain, mini_bars) == pytest.approx(0.3)


def test_reasons_come_in_the_order_of_the_registry():
    frame = pl.DataFrame({"x": [1]})
    yes = pl.lit(True)
    found = frame.select(reasons_where({"SYNTHETIC_INPUT": yes, "NO_CHAIN": yes, "OI_STALE": pl.lit(False)})).item()
    assert found == "NO_CHAIN,SYNTHETIC_INPUT"
    with pytest.raises(ValueError, match="found \\['LATE'\\]"):
        reasons_where({"LATE": yes})


def test_registries_agree_with_the_data_dictionary():
    dtype = TABLES["engines.elasticity"].polars_schema["amplification_regime"]
    assert dtype == pl.Enum(AMPLIFICATION_REGIMES)
    assert [label.value for label in AmplificationRegime] == ["damping", "neutral", "amplifying", "storm"]
    assert len(REASONS) == 23
    assert all(np.char.isupper(code.replace("_", "")) for code in REASONS)
