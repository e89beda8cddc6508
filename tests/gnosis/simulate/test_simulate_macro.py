from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gnosis.sessions import schedule, sessions_between
from gnosis.simulate import macro_vintages
from gnosis.simulate.macro import DAILY_SERIES
from gnosis.simulate.rates import interpolate, zero_rates
from gnosis.tables import TABLES

DAYS = sessions_between(dt.date(2008, 1, 2), dt.date(2012, 12, 31))


@pytest.fixture(scope="module")
def rows():
    return macro_vintages(DAYS, 7)


def test_rows_satisfy_the_table(rows):
    TABLES["raw.macro"].schema.validate(rows)
    assert rows.equals(rows.sort(TABLES["raw.macro"].key))
    assert set(rows["series_id"]) == {*DAILY_SERIES, "CPIAUCSL", "UNRATE", "A191RL1Q025SBEA"}


def test_session_is_the_first_whose_close_is_at_or_after_the_publication(rows):
    closes = schedule().select("session", "close_at", before=pl.col("close_at").shift(1))
    joined = rows.join(closes, on="session")
    assert joined.height == rows.height
    assert (joined["known_at"] <= joined["close_at"]).all()
    assert (joined["known_at"] > joined["before"]).all()


@pytest.mark.parametrize("day", [DAYS[0], DAYS[700], DAYS[-1]])
def test_a_value_does_not_depend_on_the_range(rows, day):
    alone = macro_vintages([day], 7)
    key = TABLES["raw.macro"].key
    shared = alone.join(rows.select(key), on=key, how="semi")
    assert_frame_equal(shared, rows.join(alone.select(key), on=key, how="semi"), check_exact=True)
    assert shared.filter(pl.col("session") == day).height >= len(DAILY_SERIES)
    if day != DAYS[0]:
        assert shared.height == alone.height


def test_daily_values_appear_on_the_morning_of_the_next_session(rows):
    daily = rows.filter(pl.col("series_id") == "DGS10")
    order = schedule().select(ref_date="session", following=pl.col("session").shift(-1))
    joined = daily.join(order, on="ref_date")
    assert (joined["session"] == joined["following"]).all()
    local = joined["known_at"].dt.convert_time_zone("America/New_York")
    assert local.dt.time().unique().to_list() == [dt.time(9, 0)]


def test_first_session_knows_thirteen_months_of_prices_and_all_series():
    rows = macro_vintages(DAYS[:1], 7)
    close = schedule().filter(session=DAYS[0])["close_at"].item()
    assert (rows["known_at"] <= close).all()
    months = rows.filter(series_id="CPIAUCSL")["ref_date"].unique().sort()
    assert months[-1] == dt.date(2007, 11, 1)
    assert months.is_in([dt.date(2006, 11, 1)]).any()
    assert rows["series_id"].n_unique() == 12


def test_vintages_have_lags_and_revisions(rows):
    prints = rows.group_by("series_id", "ref_date").agg(
        prints=pl.len(), first=pl.col("known_at").min(), values=pl.col("value").n_unique()
    )
    growth = prints.filter(pl.col("series_id") == "A191RL1Q025SBEA", pl.col("ref_date") == dt.date(2010, 4, 1))
    assert growth["prints"].item() == 3
    cpi = prints.filter(pl.col("series_id") == "CPIAUCSL", pl.col("ref_date").dt.year() == 2010)
    assert cpi["prints"].min() == 3
    lags = (cpi["first"].dt.date() - cpi["ref_date"]).dt.total_days()
    assert lags.min() >= 38
    assert lags.max() <= 55
    assert cpi["values"].max() > 1


def test_levels_are_plausible(rows):
    bounds = {
        "DFF": (0, 6),
        "DGS10": (0.8, 6),
        "DGS1MO": (0.005, 6),
        "BAA10Y": (1, 7),
        "CPIAUCSL": (165, 260),
        "UNRATE": (3.5, 11),
        "A191RL1Q025SBEA": (-12, 8),
    }
    for series, (low, high) in bounds.items():
        values = rows.filter(series_id=series)["value"]
        assert low < values.min()
        assert values.max() < high


def test_another_seed_is_another_economy(rows):
    assert not macro_vintages(DAYS[:1], 8).equals(macro_vintages(DAYS[:1], 7))
    with pytest.raises(ValueError, match="at least one session"):
        macro_vintages([], 7)


def test_rates_use_what_was_known_and_convert_yields():
    instants = [dt.datetime(2012, 1, day, 21, tzinfo=dt.UTC) for day in (3, 4, 5)]
    macro = pl.concat(
        pl.DataFrame(
            {
                "series_id": [series] * 3,
                "ref_date": [dt.date(2012, 1, 2), dt.date(2012, 1, 3), dt.date(2011, 12, 30)],
                "known_at": [
                    dt.datetime(2012, 1, 3, 14, tzinfo=dt.UTC),
                    dt.datetime(2012, 1, 4, 14, tzinfo=dt.UTC),
                    dt.datetime(2012, 1, 5, 14, tzinfo=dt.UTC),
                ],
                "value": [1.0, 2.0, 99.0],
            }
        )
        for series in ("DGS1MO", "DGS3MO", "DGS6MO", "DGS1")
    )
    rates = zero_rates(macro, pl.Series(instants, dtype=pl.Datetime("us", "UTC")))
    # The late revision of an older day does not replace the newer day's yield.
    assert rates[:, 0] == pytest.approx([0.009975083, 0.019900662, 0.019900662], abs=1e-8)
    assert interpolate(rates, [0.001, 5.0, 0.3]) == pytest.approx(rates[:, 0])
