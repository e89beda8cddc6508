"""What a point may see: the last version known at its cut-off of each event of its window, and nothing else."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.intraday_bars import IntradayBars, expected_bars
from gnosis.engines.off_exchange import OffExchange
from gnosis.engines.points import Points, session_ranks
from gnosis.engines.visible_rows import visible_rows
from gnosis.sessions import schedule, sessions_between
from gnosis.tables import TABLES

DAYS = sessions_between(dt.date(2019, 11, 21), dt.date(2019, 12, 4))
CLOSE = dict(schedule().filter(pl.col("session").is_in(DAYS)).select("session", "close_at").iter_rows())
HOUR = dt.timedelta(hours=1)


def points_of(rows):
    return Points.of(pl.DataFrame(rows, schema=["symbol", "session", "as_of"], orient="row"))


def five_minute_bars(symbols=("AAA",), days=DAYS, known_after=dt.timedelta(0)):
    table = TABLES["raw.intraday_bars"]
    opens = dict(schedule().filter(pl.col("session").is_in(days)).select("session", "open_at").iter_rows())
    rows = [
        {"session": day, "symbol": symbol, "ts": opens[day] + dt.timedelta(minutes=5 * (step + 1))}
        for symbol in symbols
        for day in days
        for step in range((CLOSE[day] - opens[day]) // dt.timedelta(minutes=5))
    ]
    frame = pl.DataFrame(rows).with_columns(
        price=100.0 + pl.int_range(pl.len()).mod(7), known_at=pl.col("ts") + known_after
    )
    return frame.select(
        "session",
        "symbol",
        "known_at",
        "ts",
        frequency=pl.lit("5min"),
        provider=pl.lit("test"),
        synthetic=pl.lit(False),
        open="price",
        high=pl.col("price") + 1,
        low=pl.col("price") - 1,
        close=pl.col("price") + 0.5,
        volume=pl.lit(1e3),
    ).select(list(table.polars_schema)).cast(table.polars_schema)  # fmt: skip


events = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "C"]),
        st.integers(0, len(DAYS) - 1),
        st.integers(-3, 80),
        st.sampled_from(["p", "q"]),
    ),
    max_size=40,
)
cut_offs = st.lists(
    st.tuples(st.sampled_from(["A", "B", "D"]), st.integers(0, len(DAYS) - 1), st.integers(0, 60)),
    min_size=1,
    max_size=8,
    unique_by=lambda point: point[:2],
)


@settings(max_examples=150, deadline=None)
@given(events, cut_offs, st.integers(1, 5), st.randoms())
def test_each_point_sees_the_last_known_version_of_each_event_of_its_window(rows, cuts, sessions, random):
    points = points_of([(symbol, DAYS[day], CLOSE[DAYS[day]] + late * HOUR) for symbol, day, late in cuts])
    made = {(s, d, late, p): (s, DAYS[d], CLOSE[DAYS[d]] + late * HOUR, p) for s, d, late, p in rows}
    table = list(made.values())
    random.shuffle(table)
    schema = {"symbol": pl.String, "session": pl.Date, "known_at": pl.Datetime("us", "UTC"), "provider": pl.String}
    frame = pl.DataFrame(table, schema=schema, orient="row")
    seen = {}
    for visible in visible_rows(points, frame, "session", "test"):
        starts, ends = visible.between(visible.points.position - sessions + 1, visible.points.position)
        for at, start, end in zip(visible.at, starts, ends, strict=True):
            assert at not in seen
            seen[int(at)] = [frame.row(row) for row in visible.rows[start:end]]
    ranks = {day: rank for rank, day in enumerate(DAYS)}
    for at, (symbol, session, as_of) in enumerate(points.frame.iter_rows()):
        known = [
            row
            for row in frame.iter_rows()
            if row[0] == symbol and row[2] <= as_of and 0 <= ranks[session] - ranks[row[1]] < sessions
        ]
        last = {}
        for row in sorted(known, key=lambda row: (row[1], row[2], row[3])):
            last[row[1]] = row
        assert seen[at] == list(last.values())


def test_a_row_that_became_known_late_does_not_hide_the_later_ones():
    points = points_of([("A", day, CLOSE[day]) for day in DAYS[:4]])
    known = [CLOSE[DAYS[3]], CLOSE[DAYS[1]], CLOSE[DAYS[2]]]
    frame = pl.DataFrame({"symbol": "A", "session": DAYS[:3], "known_at": known, "provider": "p"})
    frame = frame.with_columns(pl.col("known_at").cast(pl.Datetime("us", "UTC")))
    seen = {}
    for visible in visible_rows(points, frame, "session", "test"):
        starts, ends = visible.between(visible.points.position - 3, visible.points.position)
        seen |= {int(at): visible.rows[s:e].tolist() for at, s, e in zip(visible.at, starts, ends, strict=True)}
    assert seen == {0: [], 1: [1], 2: [1, 2], 3: [0, 1, 2]}


def test_bars_of_own_and_earlier_sessions_and_of_the_last_half_hour():
    bars = five_minute_bars(("AAA", "BBB"))
    early = dt.date(2019, 11, 29)
    points = points_of([("AAA", day, CLOSE[day]) for day in (DAYS[0], early)] + [("BBB", early, CLOSE[early])])
    tape = IntradayBars(points, bars.sample(fraction=1.0, shuffle=True, seed=1), "5min")
    assert len(tape.groups) == 1
    seen = tape.groups[0]
    slices = {"own": seen.own(), "last": seen.last(3), "before": seen.before(2), "closing": seen.closing()}
    sizes = {name: (ends - starts).tolist() for name, (starts, ends) in slices.items()}
    assert sizes == {"own": [78, 42, 42], "last": [78, 198, 198], "before": [0, 156, 156], "closing": [6, 6, 6]}
    start, end = (bound[1] for bound in seen.closing())
    close = int(CLOSE[early].timestamp() * 1e6)
    assert seen.ts[start:end].tolist() == [close - 60_000_000 * minutes for minutes in (25, 20, 15, 10, 5, 0)]
    assert tape.coverage(1).tolist() == [1.0, 1.0, 1.0]
    assert expected_bars(points.position, "5min", 3).tolist() == [234, 198, 198]
    first = seen.own()[0][0]
    assert seen.log_change[first] == np.log(seen.close[first]) - np.log(seen.open[first])
    assert seen.log_change[first + 1] == np.log(seen.close[first + 1]) - np.log(seen.close[first])


def test_bars_known_late_are_hidden_until_then_and_corrections_replace():
    bars = five_minute_bars(known_after=HOUR)
    points = points_of([("AAA", day, CLOSE[day]) for day in DAYS])
    tape = IntradayBars(points, bars, "5min")
    assert len(tape.groups) == 1
    starts, ends = tape.groups[0].own()
    assert set((ends - starts).tolist()) == {66, 30}
    corrected = bars.filter(pl.col("session") == DAYS[0]).with_columns(
        close=pl.col("close") / 2, low=pl.col("low") / 2, known_at=pl.lit(CLOSE[DAYS[3]]).cast(bars["known_at"].dtype)
    )
    both = IntradayBars(points, pl.concat([bars, corrected]), "5min")
    first = both.compute(lambda seen: seen.close[seen.last(9)[0]])
    assert np.unique(first[:3]).tolist() == [bars["close"][0]]
    assert np.unique(first[3:]).tolist() == [bars["close"][0] / 2]


def test_another_length_of_bar_and_no_bars_give_empty_slices():
    points = points_of([("AAA", DAYS[0], CLOSE[DAYS[0]])])
    for tape in (IntradayBars(points, five_minute_bars(), "1min"), IntradayBars(points, None, "5min")):
        assert tape.is_empty
        for starts, ends in (tape.groups[0].last(60), tape.groups[0].closing()):
            assert (starts == ends).all()
        assert tape.coverage(20).tolist() == [0.0]


def shorts_of(rows):
    table = TABLES["raw.short_volume"]
    frame = pl.DataFrame(rows, schema=["symbol", "session", "known_at", "short_volume", "total_volume"], orient="row")
    full = frame.with_columns(
        pl.lit(None).alias("short_exempt_volume"), provider=pl.lit("finra"), synthetic=pl.lit(False)
    )
    return full.select(list(table.polars_schema)).cast(table.polars_schema)


def test_a_short_volume_file_counts_from_the_evening_after_its_session():
    days = [day for day in DAYS if day != DAYS[4]]
    frame = shorts_of([("AAA", day, CLOSE[day] + HOUR, 10.0 + rank, 100.0) for rank, day in enumerate(days)])
    points = points_of([("AAA", day, CLOSE[day]) for day in DAYS])
    shorts = OffExchange(points, frame)
    assert shorts.age.tolist()[1:6] == [1.0, 1.0, 1.0, 1.0, 2.0]
    assert np.isnan(shorts.age[0])
    np.testing.assert_array_equal(shorts.short_share(3)[6], [0.13, np.nan, 0.14])
    assert np.isnan(shorts.short_share(2)[0]).all()
    assert shorts.position[1] == session_ranks(pl.Series(DAYS[:1]), "test")[0]


def test_more_short_than_total_volume_is_rejected_and_said():
    frame = shorts_of(
        [("AAA", DAYS[0], CLOSE[DAYS[0]] + HOUR, 40.0, 100.0), ("AAA", DAYS[1], CLOSE[DAYS[1]] + HOUR, 101.0, 100.0)]
    )
    shorts = OffExchange(points_of([("AAA", DAYS[1], CLOSE[DAYS[1]]), ("AAA", DAYS[2], CLOSE[DAYS[2]])]), frame)
    assert shorts.has_rejected.tolist() == [False, True]
    assert shorts.age.tolist() == [1.0, 2.0]
    assert shorts.short_share(1).tolist() == [[0.4], [0.4]]


@pytest.mark.parametrize("wrong", ["frequency", "ts"])
def test_a_frame_without_a_column_is_refused(wrong):
    points = points_of([("AAA", DAYS[0], CLOSE[DAYS[0]])])
    with pytest.raises(ValueError, match=wrong):
        IntradayBars(points, five_minute_bars().drop(wrong), "5min")
