import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.elasticity import elasticity
from gnosis.options.positioning.levels import levels
from gnosis.sessions import UnknownSessionError, shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
CHAIN_AT = dt.datetime(2019, 5, 1, 19, 45, tzinfo=dt.UTC)
CLOSE_AT = dt.datetime(2019, 5, 1, 20, 0, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def chain(mini_book):
    return mini_book, levels(mini_book, ["naive"])


def one(chain, bars):
    found = elasticity(*chain, bars, conventions=["naive"]).row(0, named=True)
    coverage = found["elasticity_field_confidence"] / 0.3
    return found | {"coverage": coverage, "is_short": "SHORT_HISTORY" in found["elasticity_field_reasons"]}


@pytest.fixture(autouse=True)
def whole_quality(monkeypatch):
    """Quotes are another matter: with them left out the confidence of depth would not be seen."""
    from gnosis.engines.elasticity import greek_field_mapper

    monkeypatch.setattr(greek_field_mapper, "hedge_confidence", lambda factors: np.ones(len(factors)))


def test_linear_law_of_the_mini_book(chain, mini_bars):
    row = one(chain, mini_bars)
    assert row["adv_usd"] == pytest.approx(1e8)
    assert row["sigma_d"] == pytest.approx(0.01)
    assert row["depth_usd_per_unit"] == pytest.approx(1e10)
    assert row["lambda_usd_per_share"] == pytest.approx(1e-6)
    assert row["coverage"] == pytest.approx(1.0)
    assert not row["is_short"]
    assert row["as_of"] == row["known_at"] == CLOSE_AT


def test_volume_of_the_session_itself_is_not_part_of_its_average(chain, mini_bars):
    loud = mini_bars.with_columns(volume=pl.when(pl.col("session") == SESSION).then(1e15).otherwise("volume"))
    assert one(chain, loud)["adv_usd"] == one(chain, mini_bars)["adv_usd"]


def test_exactly_21_bars_give_the_bits_of_any_longer_history(chain, bars):
    long = bars(n=80)
    short = long.sort("session").tail(21)
    names = ["adv_usd", "sigma_d", "depth_usd_per_unit", "lambda_usd_per_share", "coverage", "hedge_elasticity"]
    assert [one(chain, long)[name] for name in names] == [one(chain, short)[name] for name in names]


def quarter(book):
    frame = book([("P", 25.0, 400.0), ("C", 25.0, 1000.0)], spot=25.0)
    return frame, levels(frame, ["naive"])


def test_split_inside_the_window_changes_nothing(chain, bars, book):
    whole = bars()
    before = pl.col("session") < shift_session(SESSION, -5)
    split = whole.with_columns(
        *(
            pl.when(before).then(pl.col(name)).otherwise(pl.col(name) / 4).alias(name)
            for name in ("open", "high", "low", "close")
        ),
        volume=pl.when(before).then(pl.col("volume")).otherwise(pl.col("volume") * 4),
        adjustment_factor=pl.when(before).then(1.0).otherwise(4.0),
    )
    plain, after = one(chain, whole), one(quarter(book), split)
    for name in ("adv_usd", "sigma_d", "depth_usd_per_unit"):
        assert after[name] == pytest.approx(plain[name])
    assert after["lambda_usd_per_share"] == pytest.approx(plain["lambda_usd_per_share"] / 16)


def test_index_without_volume_has_no_depth(chain, mini_bars):
    row = one(chain, mini_bars.with_columns(volume=pl.lit(None, dtype=pl.Float64)))
    assert row["adv_usd"] is None
    assert row["depth_usd_per_unit"] is None
    assert row["lambda_usd_per_share"] is None
    assert row["sigma_d"] == pytest.approx(0.01)


def test_symbol_without_bars_is_null_and_keeps_the_cut_off_of_its_chain(chain, bars):
    row = one(chain, bars(symbol="BBB"))
    assert row["depth_usd_per_unit"] is None and row["provider"] == "cboe" and row["coverage"] == 0.0
    assert row["as_of"] == CHAIN_AT


def test_constant_price_has_no_depth(chain, bars):
    row = one(chain, bars(sigma_d=0.0))
    assert row["sigma_d"] == 0.0 and row["depth_usd_per_unit"] is None


@pytest.mark.parametrize(("n", "has_depth"), [(10, False), (11, True), (20, True), (21, True)])
def test_ten_observations_are_enough_and_short_history_is_said(chain, bars, n, has_depth):
    row = one(chain, bars(n=n))
    assert (row["depth_usd_per_unit"] is not None) == has_depth
    assert row["is_short"] == (n < 21)
    assert row["coverage"] == pytest.approx(n / 21 if has_depth else 0.0)


def test_gap_is_not_bridged(chain, bars):
    gapped = bars().filter(pl.col("session") != shift_session(SESSION, -3))
    log_close = np.log(bars().sort("session")["close"].to_numpy())
    returns = np.delete(np.diff(log_close), [16, 17])
    assert one(chain, gapped)["sigma_d"] == pytest.approx(np.std(returns, ddof=1))


def test_without_the_bar_of_the_session_there_is_no_sigma(chain, bars):
    row = one(chain, bars().filter(pl.col("session") < SESSION))
    assert row["sigma_d"] is None
    assert row["adv_usd"] == pytest.approx(1e8)
    assert row["as_of"] == CHAIN_AT


def test_versions_known_later_are_not_seen(chain, mini_bars):
    restated = mini_bars.with_columns(
        close=pl.col("close") * 7, volume=pl.col("volume") * 3, known_at=pl.col("known_at") + dt.timedelta(days=300)
    )
    assert one(chain, pl.concat([mini_bars, restated])) == one(chain, mini_bars)


def test_versions_known_in_time_are(chain, mini_bars):
    day = shift_session(SESSION, -3)
    restated = mini_bars.filter(pl.col("session") == day).with_columns(
        volume=pl.col("volume") * 3, known_at=pl.col("known_at") + dt.timedelta(hours=1)
    )
    assert one(chain, pl.concat([restated, mini_bars]))["adv_usd"] == pytest.approx(1.1e8)


def test_bar_of_no_session_is_refused(chain, mini_bars):
    sunday = mini_bars.head(1).with_columns(session=dt.date(2019, 4, 28))
    with pytest.raises(UnknownSessionError, match=r"raw\.equity_bars: expected sessions of XNYS, found 2019-04-28"):
        one(chain, pl.concat([mini_bars, sunday]))


def test_depth_of_the_liquidity_engine_is_preferred(chain, mini_bars, mini_book):
    schema = TABLES["engines.liquidity"].polars_schema
    found = {
        "session": SESSION,
        "symbol": "AAA",
        "known_at": CLOSE_AT,
        "provider": "tape",
        "synthetic": False,
        "depth_usd_per_unit": 4e10,
        "lambda_source": "regression",
        "impact_and_lambda_confidence": 0.9,
        "impact_and_lambda_reasons": "PARTIAL_BOOK",
    }
    liquidity = pl.DataFrame([found], schema={name: schema[name] for name in found})

    def made(rows):
        return elasticity(*chain, mini_bars, liquidity=rows, conventions=["naive"]).row(0, named=True)

    row = made(liquidity)
    assert (row["depth_usd_per_unit"], row["lambda_usd_per_share"]) == (4e10, 1e4 / 4e10)
    assert row["hedge_elasticity"] == pytest.approx((4e10 + 42_949_709.498) / 100 / 1e8)
    assert (row["lambda_source"], row["elasticity_field_is_proxy"]) == ("regression", False)
    assert row["elasticity_field_confidence"] == 0.9
    assert "PARTIAL_BOOK" in row["elasticity_field_reasons"] and "DEPTH_PROXY" not in row["elasticity_field_reasons"]
    assert row["provider"] == "cboe+tape+yahoo"
    bare = made(liquidity.with_columns(impact_and_lambda_confidence=0.5, impact_and_lambda_reasons=pl.lit("")))
    assert "LOW_COVERAGE" in bare["elasticity_field_reasons"]
    late = liquidity.with_columns(known_at=pl.col("known_at") + dt.timedelta(seconds=1))
    for rows in (late, liquidity.clear(), liquidity.with_columns(symbol=pl.lit("BBB"))):
        row = made(rows)
        assert (row["lambda_source"], row["provider"]) == ("linear_law", "cboe+yahoo")
        assert row["elasticity_field_confidence"] == pytest.approx(0.3)
    none = made(liquidity.with_columns(depth_usd_per_unit=pl.lit(None, dtype=pl.Float64)))
    assert none["depth_usd_per_unit"] is None and none["elasticity_field_confidence"] == 0.0
