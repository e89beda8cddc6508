import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.elasticity.depth import daily_depth
from gnosis.sessions import UnknownSessionError, shift_session

SESSION = dt.date(2019, 5, 1)
CHAIN_AT = dt.datetime(2019, 5, 1, 19, 45, tzinfo=dt.UTC)
CLOSE_AT = dt.datetime(2019, 5, 1, 20, 0, tzinfo=dt.UTC)


@pytest.fixture
def chain():
    return pl.DataFrame({"session": [SESSION], "symbol": ["AAA"], "spot": [100.0], "known_at": [CHAIN_AT]}).cast(
        {"known_at": pl.Datetime("us", "UTC")}
    )


def one(chain, bars):
    return daily_depth(chain, bars).row(0, named=True)


def test_linear_law_of_the_mini_book(chain, mini_bars):
    row = one(chain, mini_bars)
    assert row["adv_usd"] == pytest.approx(1e8)
    assert row["sigma_d"] == pytest.approx(0.01)
    assert row["depth_usd_per_unit"] == pytest.approx(1e10)
    assert row["lambda_usd_per_share"] == pytest.approx(1e-6)
    assert row["coverage"] == 1.0
    assert not row["is_short"]
    assert row["as_of"] == row["known_at"] == CLOSE_AT


def test_volume_of_the_session_itself_is_not_part_of_its_average(chain, mini_bars):
    loud = mini_bars.with_columns(volume=pl.when(pl.col("session") == SESSION).then(1e15).otherwise("volume"))
    assert one(chain, loud)["adv_usd"] == one(chain, mini_bars)["adv_usd"]


def test_exactly_21_bars_give_the_bits_of_any_longer_history(chain, bars):
    long = bars(n=80)
    assert one(chain, long) == one(chain, long.sort("session").tail(21))


def test_split_inside_the_window_changes_nothing(chain, bars):
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
    plain, after = one(chain, whole), one(chain.with_columns(spot=pl.lit(25.0)), split)
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
    assert row["depth_usd_per_unit"] is None and row["known_at"] is None and row["coverage"] == 0.0
    assert row["as_of"] == CHAIN_AT


def test_constant_price_has_no_depth(chain, bars):
    row = one(chain, bars(sigma_d=0.0))
    assert row["sigma_d"] == 0.0 and row["depth_usd_per_unit"] is None


@pytest.mark.parametrize(("n", "has_depth"), [(10, False), (11, True), (20, True), (21, True)])
def test_ten_observations_are_enough_and_short_history_is_said(chain, bars, n, has_depth):
    row = one(chain, bars(n=n))
    assert (row["depth_usd_per_unit"] is not None) == has_depth
    assert row["is_short"] == (n < 21)
    assert row["coverage"] == pytest.approx(n / 21)


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
        daily_depth(chain, pl.concat([mini_bars, sunday]))
