"""Macro features: publication, vintages, staleness."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from gnosis.features.macro import macro
from gnosis.features.registry import BY_NAME, features_of
from gnosis.sessions import schedule, shift_session

TODAY = dt.date(2016, 6, 30)
CLOSE = schedule().filter(pl.col("session") == TODAY)["close_at"].item()
LONG_AGO = dt.datetime(2016, 6, 29, 12, 0, tzinfo=dt.UTC)


def observations(*rows: tuple[str, dt.date, dt.datetime, float]) -> pl.DataFrame:
    schema = {"series_id": pl.String, "ref_date": pl.Date, "known_at": pl.Datetime("us", "UTC"), "value": pl.Float64}
    frame = pl.DataFrame(list(rows), schema=schema, orient="row")
    return frame.with_columns(provider=pl.lit("agency"), synthetic=pl.lit(value=False))


def keys(as_of: dt.datetime = CLOSE, session: dt.date = TODAY) -> pl.DataFrame:
    moment = pl.Series([as_of], dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame({"session": [session], "symbol": ["SPY"], "as_of": moment})


def value(name: str, *rows: tuple[str, dt.date, dt.datetime, float], as_of: dt.datetime = CLOSE) -> float | None:
    return macro(keys(as_of), observations(*rows))[name].item()


def test_nothing_published_gives_nulls_and_no_provider() -> None:
    row = macro(keys(), observations()).row(0, named=True)
    assert all(row[feature.name] is None for feature in features_of("macro"))
    assert (row["provider"], row["synthetic"]) == ("none", False)
    assert (row["confidence"], row["reasons"]) == (0.0, "SOURCE_MISSING")


def test_confidence_is_the_share_that_is_known() -> None:
    rates = [("DFF", dt.date(2016, 6, 29), LONG_AGO, 0.4), ("UNRATE", dt.date(2016, 5, 1), LONG_AGO, 4.7)]
    row = macro(keys(), observations(*rates)).row(0, named=True)
    assert row["confidence"] == pytest.approx(2 / 6)
    assert row["reasons"] == "SOURCE_MISSING"
    rates += [("BAA10Y", dt.date(2016, 6, 29), LONG_AGO, 2.9), ("DGS2", dt.date(2016, 6, 29), LONG_AGO, 0.6)]
    rates += [("DGS10", dt.date(2016, 6, 29), LONG_AGO, 1.5), ("A191RL1Q025SBEA", dt.date(2016, 1, 1), LONG_AGO, 1.1)]
    rates += [("CPIAUCSL", dt.date(year, 5, 1), LONG_AGO, 100.0) for year in (2015, 2016)]
    row = macro(keys(), observations(*rates)).row(0, named=True)
    assert (row["confidence"], row["reasons"]) == (1.0, "")


def test_publication_counts_from_its_moment_on() -> None:
    rate = ("DFF", dt.date(2016, 6, 29), CLOSE, 0.41)
    assert value("macro_fed_funds_rate", rate) == 0.41
    assert value("macro_fed_funds_rate", rate, as_of=CLOSE - dt.timedelta(microseconds=1)) is None


def test_publication_after_the_close_waits_for_the_next_session() -> None:
    rate = ("DFF", dt.date(2016, 6, 29), CLOSE + dt.timedelta(minutes=5), 0.41)
    # A bar that arrived late does not open the row of its session to what was published after the close.
    assert value("macro_fed_funds_rate", rate, as_of=CLOSE + dt.timedelta(days=2)) is None
    tomorrow = keys(CLOSE + dt.timedelta(days=1), dt.date(2016, 7, 1))
    assert macro(tomorrow, observations(rate))["macro_fed_funds_rate"].item() == 0.41


def test_curve_needs_both_yields_of_one_date() -> None:
    monday, tuesday = dt.date(2016, 6, 27), dt.date(2016, 6, 28)
    rows = [
        ("DGS10", monday, LONG_AGO, 1.46),
        ("DGS2", monday, LONG_AGO, 0.61),
        ("DGS10", tuesday, LONG_AGO, 9.99),
    ]
    assert value("macro_yield_curve", *rows) == pytest.approx(0.85, rel=1e-12)
    assert value("macro_yield_curve", *rows, ("DGS2", tuesday, LONG_AGO, 0.99)) == 9.0
    assert value("macro_yield_curve", rows[0], ("DGS2", tuesday, LONG_AGO, 0.61)) is None


def test_inflation_never_mixes_a_first_print_with_a_revised_base() -> None:
    base, month = dt.date(2015, 5, 1), dt.date(2016, 5, 1)
    first = dt.datetime(2015, 6, 18, 12, 30, tzinfo=dt.UTC)
    release = dt.datetime(2016, 6, 16, 12, 30, tzinfo=dt.UTC)
    revision = dt.datetime(2016, 6, 29, 12, 30, tzinfo=dt.UTC)
    rows = [
        ("CPIAUCSL", base, first, 200.0),
        ("CPIAUCSL", month, release, 210.0),
        ("CPIAUCSL", base, revision, 100.0),
        ("CPIAUCSL", month, revision, 103.0),
    ]
    assert value("macro_inflation_rate", *rows) == pytest.approx(3.0, rel=1e-12)
    assert value("macro_inflation_rate", *rows, as_of=revision - dt.timedelta(seconds=1)) == pytest.approx(5.0)
    # A revision of the base alone changes the rate: both values come from the vintage of the moment.
    assert value("macro_inflation_rate", *rows[:3]) == pytest.approx(110.0)


def test_month_that_was_never_published_is_not_filled() -> None:
    row = ("CPIAUCSL", dt.date(2016, 5, 1), LONG_AGO, 103.0)
    neighbours = [("CPIAUCSL", dt.date(2015, month, 1), LONG_AGO, 100.0) for month in (4, 6)]
    assert value("macro_inflation_rate", row, *neighbours) is None


def test_revision_of_an_older_month_does_not_move_the_latest() -> None:
    rows = [
        ("UNRATE", dt.date(2016, 5, 1), dt.datetime(2016, 6, 3, 12, 30, tzinfo=dt.UTC), 4.7),
        ("UNRATE", dt.date(2016, 4, 1), LONG_AGO, 5.1),
    ]
    assert value("macro_unemployment_rate", *rows) == 4.7
    assert value("macro_unemployment_rate", *rows, ("UNRATE", dt.date(2016, 5, 1), LONG_AGO, 4.6)) == 4.6


def test_two_months_published_together() -> None:
    rows = [("UNRATE", dt.date(2016, month, 1), LONG_AGO, 4.0 + month / 10.0) for month in (5, 4)]
    assert value("macro_unemployment_rate", *rows) == 4.5


@pytest.mark.parametrize("feature", features_of("macro"), ids=lambda feature: feature.name)
def test_reference_date_may_be_as_old_as_the_lookback(feature: object) -> None:
    name, series = feature.name, feature.series  # type: ignore[attr-defined]
    oldest = shift_session(TODAY, 1 - BY_NAME[name].lookback_sessions)

    def with_reference(day: dt.date) -> float | None:
        rows = [(identifier, day, LONG_AGO, 2.0 + number) for number, identifier in enumerate(series)]
        if name == "macro_inflation_rate":
            rows.append((series[0], day.replace(year=day.year + 1), LONG_AGO, 2.1))
        return value(name, *rows)

    assert with_reference(oldest) is not None
    assert with_reference(oldest - dt.timedelta(days=1)) is None


def test_origin_is_of_what_was_used() -> None:
    rows = observations(
        ("DFF", dt.date(2016, 6, 29), LONG_AGO, 0.4),
        ("BAA10Y", dt.date(2016, 6, 28), LONG_AGO, 2.9),
        ("UNRATE", dt.date(2010, 1, 1), LONG_AGO, 9.8),
    ).with_columns(provider=pl.Series(["fed", "made", "stale"]), synthetic=pl.Series([False, True, True]))
    row = macro(keys(), rows).row(0, named=True)
    assert (row["provider"], row["synthetic"]) == ("fed+made", True)
    assert macro(keys(), rows[[0, 2]])["synthetic"].item() is False


def test_bad_observations_say_what_to_do() -> None:
    row = ("DFF", dt.date(2016, 6, 29), LONG_AGO, 0.4)
    with pytest.raises(ValueError, match="found two for DFF of 2016-06-29"):
        value("macro_fed_funds_rate", row, row)
    with pytest.raises(ValueError, match=r"missing are \['known_at'\]"):
        macro(keys(), observations(row).drop("known_at"))
    with pytest.raises(ValueError, match=r"missing are \['as_of'\]"):
        macro(keys().drop("as_of"), observations(row))
    with pytest.raises(ValueError, match="expected sessions of the exchange in the keys of bars"):
        macro(keys(session=dt.date(2016, 7, 4)), observations(row))
