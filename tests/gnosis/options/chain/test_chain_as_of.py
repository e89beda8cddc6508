"""Poison: whatever became known after the decision may be anything, and no result up to then moves."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.options import chain_analytics, exposure, levels, option_greeks

DAYS = [dt.date(2019, 5, day) for day in (14, 15, 16, 17)]
AS_OF = dt.datetime(2019, 5, 16, 22, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
STRIKES = np.arange(94.0, 107.0)


def close_of(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(20), dt.UTC)


@pytest.fixture
def world(model_quotes, rate_rows, dividend_rows):
    """Quotes, rates and dividends of four sessions; quotes and dividends of all of them come again after AS_OF."""
    sessions = []
    for number, day in enumerate(DAYS):
        at, oi_session = close_of(day), day - dt.timedelta(days=1)
        told = {"session": day, "ts": at, "known_at": at, "oi_session": oi_session, "style": "A"}
        frame = model_quotes(STRIKES, lambda strike, n=number: 0.2 + 0.01 * n - 0.3 * np.log(strike / 100), **told)
        sessions.append(frame.with_columns(open_interest=10.0 + pl.int_range(pl.len()).cast(pl.Float64)))
    quotes = pl.concat(sessions)
    again = quotes.with_columns(known_at=pl.lit(AS_OF + HOUR).cast(quotes.schema["known_at"]))
    rates = pl.concat(
        [
            rate_rows(session=day, ref_date=day - dt.timedelta(days=1), known_at=close_of(day) + late, value=5.0)
            for day in DAYS
            for late in (-8 * HOUR, 30 * HOUR)
        ]
    )
    dividends = pl.concat(
        dividend_rows([(dt.date(2019, 6, 7), 0.5, close_of(day) - HOUR)], session=day) for day in DAYS
    )
    return quotes, again, rates, dividends


def poisoned(frame: pl.DataFrame, seed: int, columns: list[str], low: float = 10.0, high: float = 60.0) -> pl.DataFrame:
    """Random numbers in what was known after AS_OF."""
    generator = np.random.default_rng(seed)
    is_later = pl.col("known_at") > AS_OF
    noise = {name: pl.Series(generator.uniform(low, high, frame.height)) for name in columns}
    return frame.with_columns(
        pl.when(is_later).then(values).otherwise(name).alias(name) for name, values in noise.items()
    )


def results(quotes, rates, dividends, as_of) -> list[pl.DataFrame]:
    found = chain_analytics(quotes, rates, dividends, as_of)
    frames = [*found, exposure(found.greeks), levels(found.greeks, index_symbols=("XYZ",))]
    return [frame.filter(pl.col("session") <= AS_OF.date()) for frame in frames]


def test_what_is_known_after_the_decision_changes_no_result(world):
    quotes, again, rates, dividends = world
    clean = results(quotes, rates, dividends, AS_OF)
    assert [frame["session"].n_unique() for frame in clean] == [3] * 4
    numbers = ["bid", "ask", "spot", "open_interest", "volume", "multiplier"]
    for seed in range(3):
        spoilt_again = poisoned(again, seed, numbers).with_columns(oi_session=None if seed else pl.col("oi_session"))
        spoilt = (
            pl.concat([poisoned(quotes, seed, numbers), spoilt_again], how="vertical_relaxed"),
            poisoned(rates, seed, ["value"]),
            poisoned(dividends, seed, ["amount_usd"], 0.01, 9.0),
        )
        for before, after in zip(clean, results(*spoilt, AS_OF), strict=True):
            assert after.equals(before)
    # Known to everyone, the same numbers move everything.
    assert not any(before.equals(after) for before, after in zip(clean, results(*spoilt, None), strict=True))


def test_a_backfill_reads_the_sessions_after_it_for_nothing(world):
    """Without a moment of decision: later sessions, rates and dividends are random, each chain sees its own day."""
    quotes, _, rates, dividends = world
    clean = results(quotes, rates, dividends, None)
    for seed in range(2):
        spoilt = (
            poisoned(quotes, seed, ["bid", "ask", "spot", "open_interest"]),
            poisoned(rates, seed, ["value"]),
            poisoned(dividends, seed, ["amount_usd"], 0.01, 9.0),
        )
        for before, after in zip(clean, results(*spoilt, None), strict=True):
            assert after.equals(before)


def test_open_interest_of_the_session_itself_or_later_is_never_read(world):
    quotes, _, rates, dividends = world
    for days in (0, 1):
        told = quotes.with_columns(oi_session=pl.col("session") + dt.timedelta(days=days))
        spoilt = told.with_columns(open_interest=pl.Series(np.random.default_rng(days).uniform(0, 1e9, told.height)))
        for before, after in zip(*(results(frame, rates, dividends, None) for frame in (told, spoilt)), strict=True):
            assert after.equals(before)


def test_of_several_versions_the_latest_known_by_the_decision_counts(model_quotes, rate_rows):
    quotes = model_quotes([99, 100, 101])
    close = close_of(DAYS[1])
    versions = [quotes.with_columns(known_at=close + n * HOUR, open_interest=100.0 + n) for n in range(3)]
    whole = pl.concat(versions).with_columns(pl.col("known_at").cast(quotes.schema["known_at"]))
    for hours, expected in [(0, 100.0), (1, 101.0), (1.5, 101.0), (5, 102.0)]:
        found = option_greeks(whole, rate_rows(), as_of=close + hours * HOUR)
        assert found["open_interest"].to_list() == [expected] * 6
    assert option_greeks(whole, rate_rows())["open_interest"].to_list() == [102.0] * 6
    assert option_greeks(whole, rate_rows(), as_of=close - HOUR).is_empty()


def test_a_moment_without_time_zone_is_refused(model_quotes, rate_rows):
    with pytest.raises(ValueError, match="as_of: expected a moment with time zone, found 2019-05-15 20:00:00"):
        option_greeks(model_quotes([100]), rate_rows(), as_of=dt.datetime(2019, 5, 15, 20))  # noqa: DTZ001
