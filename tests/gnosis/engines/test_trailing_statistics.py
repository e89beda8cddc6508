"""Reference samples: against plain definitions, stored against made rows, cut-offs, odd columns and nothing at all."""

from __future__ import annotations

import math
import statistics

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.points import Points
from gnosis.engines.trailing import History, Series, least
from gnosis.sessions import UnknownSessionError, schedule

CALENDAR = schedule().slice(2000, 400).select("session", as_of="close_at")


def rows(n, *, first=0, symbol="A", **columns):
    return CALENDAR.slice(first, n).with_columns(symbol=pl.lit(symbol), **columns)


def series_of(past, now):
    """Return the series of one point after a stored past."""
    history = History(Points.of(rows(1, first=len(past))), rows(len(past), x=pl.Series(past, dtype=pl.Float64)))
    return history.series("x", np.array([now]))


def plain(name, past, now, window, share=0.5):
    """Return a statistic by its definition in the specification."""
    known = [x for x in past[-window:] if not math.isnan(x)]
    n = len(known)
    if n < max(10, math.ceil(window / 4)):
        return math.nan

    def quantile(values, q):
        ordered = sorted(values)
        below = math.floor(q * (n - 1))
        above = min(below + 1, n - 1)
        return ordered[below] + (ordered[above] - ordered[below]) * (q * (n - 1) - below)

    middle = quantile(known, 0.5)
    return {
        "z": lambda: (now - statistics.mean(known)) / statistics.stdev(known),
        "rank": lambda: (sum(x < now for x in known) + 0.5 * sum(x == now for x in known)) / n,
        "quantile": lambda: quantile(known, share),
        "mad": lambda: 1.4826 * quantile([abs(x - middle) for x in known], 0.5),
    }[name]()


values = st.one_of(st.floats(-100, 100).map(lambda x: round(x, 1)), st.just(math.nan))


@settings(max_examples=50, deadline=None)
@given(st.lists(values, min_size=1, max_size=60), st.floats(-100, 100), st.integers(10, 60), st.floats(0, 1))
def test_statistics_are_their_definitions(past, now, window, share):
    series = series_of(past, now)
    known = [x for x in past[-window:] if not math.isnan(x)]
    assert series.count(window).item() == len(known)
    np.testing.assert_allclose(series.percentile_rank(window), plain("rank", past, now, window), rtol=1e-12)
    np.testing.assert_allclose(
        series.quantile(share, window), plain("quantile", past, now, window, share), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(series.median(window), plain("quantile", past, now, window), rtol=1e-12)
    np.testing.assert_allclose(series.mad(window), plain("mad", past, now, window), rtol=1e-12, atol=1e-12)
    if len(known) >= least(window) and len(set(known)) > 1:
        np.testing.assert_allclose(series.z(window), plain("z", past, now, window), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("window", "enough"), [(20, 10), (60, 15), (252, 63)])
def test_fewest_values_of_a_sample(window, enough):
    past = np.arange(float(enough))
    assert np.isfinite(series_of(past, 1.0).z(window)).all()
    short = series_of(past[1:], 1.0)
    assert np.isnan([short.z(window), short.percentile_rank(window), short.median(window), short.mad(window)]).all()
    assert short.mean(window, fewest=1).item() == pytest.approx(past[1:].mean())


def test_equal_values_have_no_score_but_a_rank():
    constant = series_of(np.full(30, 0.1), 0.1)
    assert np.isnan(constant.z(20))
    assert constant.sd(20) == pytest.approx(0.0, abs=1e-15)
    assert (constant.percentile_rank(20), constant.mad(20)) == (0.5, 0.0)


def test_the_current_value_is_not_in_its_sample():
    past = np.arange(20.0)
    assert series_of(past, 1e9).mean(20) == series_of(past, -1e9).mean(20) == past.mean()
    assert series_of(past, math.nan).mean(20) == past.mean()
    assert np.isnan([series_of(past, math.nan).z(20), series_of(past, math.nan).percentile_rank(20)]).all()


def test_made_together_or_one_by_one_is_the_same_to_the_bit():
    rng = np.random.default_rng(5)
    whole = pl.concat([rows(120, symbol=symbol, x=pl.Series(rng.normal(size=120))) for symbol in ("A", "B")])
    points = Points.of(whole)
    together = History(points).series("x", points.frame.join(whole, on=["symbol", "session"])["x"].to_numpy())
    day = CALENDAR["session"][100]
    now = whole.filter(pl.col("session") == day)
    alone = History(Points.of(now), whole).series("x", now.sort("symbol")["x"].to_numpy())
    at = (points.frame["session"] == day).to_numpy()
    for statistic in (lambda s: s.z(60), lambda s: s.quantile(0.8, 60), lambda s: s.mad(60), lambda s: s.lag(3)):
        assert statistic(together)[at].tobytes() == statistic(alone).tobytes()
    assert History(points).sessions(60)[at].tolist() == History(Points.of(now), whole).sessions(60).tolist() == [60, 60]


STATISTICS = {
    "count": lambda series, window: series.count(window),
    "mean": lambda series, window: series.mean(window),
    "sd": lambda series, window: series.sd(window),
    "z": lambda series, window: series.z(window),
    "rank": lambda series, window: series.percentile_rank(window),
    "quantile": lambda series, window: series.quantile(0.8, window),
    "mad": lambda series, window: series.mad(window),
}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(10, 40), st.sampled_from(["in order", "with gaps", "in disorder"]))
def test_runs_of_points_say_what_each_point_says_alone_to_the_bit(seed, window, kind):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 90))
    # Few distinct values, zeros of both signs among them, and some unknown or known late.
    matrix = rng.choice([-1.5, -0.0, 0.0, 0.1, 0.3, 2.0, rng.normal(), np.nan], size=(2, n))
    known_at = np.tile(10 * np.arange(n), (2, 1))
    known_at[rng.random((2, n)) < rng.choice([0.0, 0.05])] += 10 * int(rng.integers(1, 30)) + 5
    at = np.flatnonzero(rng.random(2 * n) < (0.7 if kind == "with gaps" else 1.0))
    at = rng.permutation(at) if kind == "in disorder" else at
    symbol, column = at // n, at % n

    def series_at(points):
        own, day = symbol[points], column[points]
        return Series(matrix, own, day, matrix[own, day], known_at, known_at[own, day])

    for name, statistic in STATISTICS.items():
        together = statistic(series_at(np.arange(at.size)), window)
        alone = [statistic(series_at(np.array([i])), window) for i in range(at.size)]
        assert together.tobytes() == b"".join(one.tobytes() for one in alone), name


def test_later_rows_change_nothing():
    past = rows(300, x=pl.Series(np.arange(300.0)))
    points = Points.of(rows(1, first=100))
    now = np.array([4.0])
    expected = History(points, past.head(100)).series("x", now)
    for later in (past, past.with_columns(x=pl.when(pl.col("x") > 100).then(1e9).otherwise("x"))):
        found = History(points, later).series("x", now)
        assert (found.z(60), found.quantile(0.2), found.lag(1)) == (expected.z(60), expected.quantile(0.2), 99.0)
    assert np.isnan(expected.lag(101))


@pytest.mark.parametrize("stored", [True, False])
def test_a_row_that_was_made_later_than_the_cut_off_is_not_read(stored):
    """A bar that arrived ten sessions late makes the row of its session late as well."""
    late = pl.when(pl.col("session") == CALENDAR["session"][20]).then(CALENDAR["as_of"][30]).otherwise("as_of")
    past = rows(40, x=pl.Series(np.arange(40.0))).with_columns(as_of=late)
    made = past if not stored else past.filter(pl.col("session") > CALENDAR["session"][20])
    points = Points.of(made)
    series = History(points, past if stored else None).series("x", made["x"].to_numpy())
    own = points.frame["session"].to_list()
    before, after = own.index(CALENDAR["session"][29]), own.index(CALENDAR["session"][30])
    assert np.isnan(series.lag(9)[before])
    assert series.lag(10)[after] == 20.0
    np.testing.assert_array_equal(series.trailing(11)[before], [19, np.nan, *range(21, 30)])
    np.testing.assert_array_equal(series.trailing(11)[after], range(20, 31))
    assert series.count(29)[before] == 28
    assert series.count(30)[after] == 30
    assert series.mean(20)[before] == pytest.approx((sum(range(9, 29)) - 20) / 19)
    assert History(points, past if stored else None).sessions(252)[[before, after]].tolist() == [28, 30]


def test_labels_flags_and_counts_are_numbers():
    kinds = pl.Enum(["low", "high"])
    past = rows(
        12,
        regime=pl.Series(["low", "high", None] * 4, dtype=kinds),
        flag=pl.Series([True, False, None] * 4),
        count=pl.Series([1, 3, None] * 4, dtype=pl.Int64),
    )
    history = History(Points.of(rows(1, first=12)), past)
    now = np.array([1.0])
    assert history.series("regime", now).percentile_rank(20).item() is not None
    assert history.series("regime", now).count(20) == 8
    assert history.series("regime", now).mean(20, fewest=1) == 0.5
    assert history.series("flag", now).mean(20, fewest=1) == 0.5
    assert history.series("count", now).mean(20, fewest=1) == 2.0
    assert history.series("not_stored", now).count(20) == 0


def test_missing_sessions_are_gaps_not_neighbours():
    past = rows(40, x=pl.Series(np.arange(40.0))).filter(pl.col("x") % 2 == 0)
    series = History(Points.of(rows(1, first=40)), past).series("x", np.array([0.0]))
    assert np.isnan(series.lag(1))
    assert series.lag(2) == 38.0
    assert series.count(20) == 10


def test_nothing_stored_and_nothing_asked():
    points = Points.of(rows(1))
    for stored in (None, rows(0, x=pl.lit(1.0)), rows(30, symbol="Z", x=pl.lit(1.0))):
        series = History(points, stored).series("x", np.array([1.0]))
        assert (series.count(60), np.isnan(series.z(60)), np.isnan(series.lag(1))) == (0, True, True)
        assert History(points, stored).sessions().tolist() == [0]
    nobody = History(Points.of(rows(0)), rows(30, x=pl.lit(1.0)))
    assert nobody.series("x", np.zeros(0)).z(60).shape == nobody.sessions().shape == (0,)


def test_bad_stored_rows_are_named():
    points, past = Points.of(rows(1, first=30)), rows(30, x=pl.lit(1.0))
    with pytest.raises(ValueError, match=r"expected columns symbol, session and as_of, missing are \['as_of'\]"):
        History(points, past.drop("as_of"))
    with pytest.raises(ValueError, match=r"found A on .* more than once: keep the rows of one sign convention"):
        History(points, pl.concat([past, past.tail(1)]))
    with pytest.raises(UnknownSessionError, match="stored rows: expected sessions of XNYS, found 2012-11-22"):
        History(points, past.tail(1).with_columns(session=pl.date(2012, 11, 22)))


def test_bars_of_a_panel_are_a_series_too():
    matrix = np.arange(24.0).reshape(2, 12)
    series = Series(matrix, np.array([1, 0]), np.array([11, 11]), matrix[:, 11][::-1].copy())
    assert series.percentile_rank(11).tolist() == [1.0, 1.0]
    assert series.mean(11).tolist() == [17.0, 5.0]
