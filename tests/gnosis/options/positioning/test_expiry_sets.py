"""Expiry sets: same day, next weekly, next monthly, all; holidays, Saturdays and roots."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from gnosis.options.positioning.expiry_sets import expiry_sets, with_expiry_set
from gnosis.options.positioning.exposure import exposure_totals
from gnosis.tables.greeks import EXPIRY_SETS

D = dt.date.fromisoformat


def sets(session: str, *expiries: str) -> dict[str, list[str]]:
    """Return the expiries of each set of one chain; sets without rows are absent."""
    chain = pl.DataFrame({"session": D(session), "symbol": "XYZ", "expiry": [D(day) for day in expiries]})
    found = expiry_sets(chain)
    assert found.schema["expiry_set"] == pl.Enum(EXPIRY_SETS)
    return {
        name: [day.isoformat() for day in found.filter(pl.col("expiry_set") == name)["expiry"]]
        for name in found["expiry_set"].unique().sort().to_list()
        if name != "all"
    }


@pytest.mark.parametrize(
    ("session", "expiries", "expected"),
    [
        # Monday, Wednesday and Friday weeklies; the third Friday of May 2019 is the 17th.
        (
            "2019-05-13",
            ["2019-05-13", "2019-05-15", "2019-05-17", "2019-05-24", "2019-06-21"],
            {"0dte": ["2019-05-13"], "next_weekly": ["2019-05-17"], "next_monthly": ["2019-05-17"]},
        ),
        # On the Friday itself the next ones are meant.
        (
            "2019-05-17",
            ["2019-05-17", "2019-05-20", "2019-05-24", "2019-06-21"],
            {"0dte": ["2019-05-17"], "next_weekly": ["2019-05-24"], "next_monthly": ["2019-06-21"]},
        ),
        # Good Friday 2019 was the third Friday of April: both fall on the Thursday.
        (
            "2019-04-15",
            ["2019-04-17", "2019-04-18", "2019-04-26", "2019-05-17"],
            {"next_weekly": ["2019-04-18"], "next_monthly": ["2019-04-18"]},
        ),
        # A Friday holiday that is no third Friday, 3 July 2020, moves the weekly alone.
        (
            "2020-06-29",
            ["2020-07-01", "2020-07-02", "2020-07-10", "2020-07-17"],
            {"next_weekly": ["2020-07-02"], "next_monthly": ["2020-07-17"]},
        ),
        # Saturdays before 2015 belong to their Friday, together with Friday expiries.
        (
            "2012-11-14",
            ["2012-11-16", "2012-11-17", "2012-11-23", "2012-12-22"],
            {"next_weekly": ["2012-11-16", "2012-11-17"], "next_monthly": ["2012-11-16", "2012-11-17"]},
        ),
        # On that Friday the Saturday contracts trade for the last time: they are not next.
        ("2012-11-16", ["2012-11-17", "2012-12-22"], {"next_weekly": ["2012-12-22"], "next_monthly": ["2012-12-22"]}),
        # The Saturday after Good Friday 2014, itself a holiday: the Thursday.
        ("2014-04-14", ["2014-04-19", "2014-04-25"], {"next_weekly": ["2014-04-19"], "next_monthly": ["2014-04-19"]}),
        # Neither a Wednesday nor a month end within the week is a weekly.
        ("2019-05-13", ["2019-05-15", "2019-05-30"], {}),
        # A chain without the coming third Friday has the next that it lists.
        ("2019-05-13", ["2019-05-31", "2019-07-19"], {"next_weekly": ["2019-05-31"], "next_monthly": ["2019-07-19"]}),
        # Friday the 14th is the second Friday of June 2019, and Friday the 15th of February 2019 is the third.
        ("2019-06-10", ["2019-06-14", "2019-06-21"], {"next_weekly": ["2019-06-14"], "next_monthly": ["2019-06-21"]}),
        (
            "2019-02-11",
            ["2019-02-15", "2019-02-22", "2019-03-15"],
            {"next_weekly": ["2019-02-15"], "next_monthly": ["2019-02-15"]},
        ),
        # Beyond the reach of the calendar the day of the week decides.
        ("2019-05-13", ["2021-01-15", "2021-01-20"], {"next_weekly": ["2021-01-15"], "next_monthly": ["2021-01-15"]}),
    ],
)
def test_sets(session, expiries, expected):
    assert sets(session, *expiries) == expected


def test_all_holds_every_row_once_and_other_columns_stay(book):
    frame = pl.concat([book([("C", 100.0, 10.0), ("P", 95.0, 5.0)], days=days) for days in (0.5, 2, 9, 30)])
    frame = frame.with_columns(pl.col("strike").alias("extra"))
    found = with_expiry_set(frame)
    assert found.filter(pl.col("expiry_set") == "all").drop("expiry_set").equals(frame)
    assert found.columns == [*frame.columns, "expiry_set"]
    # Wednesday 1 May: Friday the 3rd is the next weekly; no third Friday is listed.
    assert found.group_by("expiry_set").len().sort("expiry_set").rows() == [("0dte", 2), ("next_weekly", 2), ("all", 8)]


def test_roots_of_one_day_are_in_one_set(book):
    frame = book([("C", 100.0, 10.0)], days=16)
    morning = frame.with_columns(settlement=pl.lit("am", dtype=frame.schema["settlement"]), root=pl.lit("AAA2"))
    found = with_expiry_set(pl.concat([frame, morning])).filter(pl.col("expiry_set") == "next_monthly")
    assert found["settlement"].to_list() == ["pm", "am"]


def test_chains_choose_for_themselves(book):
    near, far = book([("C", 100.0, 1.0)], symbol="AAA", days=16), book([("C", 100.0, 1.0)], symbol="BBB", days=51)
    found = with_expiry_set(pl.concat([far, near]))
    monthly = found.filter(pl.col("expiry_set") == "next_monthly")
    assert monthly.select("symbol", "expiry").rows() == [("BBB", D("2019-06-21")), ("AAA", D("2019-05-17"))]


def test_totals_by_set_add_up(book):
    frame = pl.concat([book([("C", 100.0, 10.0), ("P", 95.0, 5.0)], days=days) for days in (2, 16, 30)])
    by = ["session", "symbol", "expiry_set"]
    found = exposure_totals(with_expiry_set(frame), by, ["naive"])
    assert found.select("expiry_set", "n_contracts").rows() == [("next_weekly", 2), ("next_monthly", 2), ("all", 6)]
    whole = exposure_totals(frame, conventions=["naive"])["gex_usd_per_pct"].item()
    assert found["gex_usd_per_pct"][2] == whole
    alone = exposure_totals(frame.head(2), conventions=["naive"])["gex_usd_per_pct"].item()
    assert found["gex_usd_per_pct"][0] == alone


def test_no_rows_give_no_rows(book):
    empty = book([("C", 100.0, 1.0)]).clear()
    assert with_expiry_set(empty).is_empty()
    with pytest.raises(ValueError, match="expected a column 'tau_years'"):
        with_expiry_set(empty.drop("tau_years"))
