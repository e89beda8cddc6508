"""Which bars a point may see: late bars, restated versions, truncation, order and names."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.points import DailyBars, Points, daily_points, visible_panels
from gnosis.sessions import UnknownSessionError, schedule
from gnosis.tables import TABLES

TABLE = TABLES["raw.equity_bars"]
CALENDAR = schedule().slice(3000, 60)
DAYS = CALENDAR["session"].to_list()
CLOSES = CALENDAR["close_at"].to_list()
HOUR = dt.timedelta(hours=1)


def bar(day, close, *, known_at=None, symbol="A", provider="yahoo", volume=10.0, factor=1.0):
    return {
        "session": DAYS[day],
        "symbol": symbol,
        "known_at": CLOSES[day] if known_at is None else known_at,
        "provider": provider,
        "synthetic": False,
        "ts": CLOSES[day],
        **dict.fromkeys(("open", "high", "low", "close"), float(close)),
        "volume": volume,
        "adjustment_factor": factor,
    }


def bars_of(records):
    return pl.DataFrame(records, schema=TABLE.polars_schema)


def points_at(days, symbol="A", as_of=None):
    closes = [CLOSES[day] for day in days] if as_of is None else as_of
    return Points.of(pl.DataFrame({"symbol": symbol, "session": [DAYS[day] for day in days], "as_of": closes}))


def closes_seen(points, bars, length=4):
    """Return the last closes that each point sees, oldest first."""
    return DailyBars(points, bars).compute(lambda panel, own: panel.trailing(own, panel.close, length))


def plain(points, records, length=4):
    """Return the same by definition: of the versions known at the cut-off the one known last."""
    out = np.full((len(points), length), np.nan)
    ranks = {day: number for number, day in enumerate(DAYS)}
    for row, point in enumerate(points.frame.iter_rows(named=True)):
        for back in range(length):
            wanted = ranks[point["session"]] - back
            versions = [
                record
                for record in records
                if record["symbol"] == point["symbol"]
                and ranks[record["session"]] == wanted
                and record["known_at"] <= point["as_of"]
            ]
            if versions:
                last = max(versions, key=lambda record: (record["known_at"], record["provider"]))
                out[row, length - 1 - back] = last["close"] * last["adjustment_factor"]
    return out


def test_a_bar_that_came_late_is_seen_from_then_on():
    records = [bar(day, day) for day in range(6)]
    records[2]["known_at"] = CLOSES[4] - HOUR
    seen = closes_seen(points_at(range(6)), bars_of(records), length=3)
    assert np.isnan(seen[2, 2]) and np.isnan(seen[3, 1])
    assert seen[4].tolist() == [2.0, 3.0, 4.0]


def test_the_row_of_a_late_bar_does_not_show_it_to_sessions_before_it_came():
    """The point of the late bar has a late cut-off; the sessions in between have their own closes."""
    records = [bar(day, day) for day in range(6)]
    records[2]["known_at"] = CLOSES[4] - HOUR
    frame = bars_of(records)
    points = daily_points(frame)
    assert points.frame["as_of"].to_list() == [*CLOSES[:2], CLOSES[4] - HOUR, *CLOSES[3:6]]
    seen = closes_seen(points, frame, length=3)
    assert seen[2].tolist() == [0.0, 1.0, 2.0]
    assert np.isnan(seen[3, 1])
    assert seen[4].tolist() == [2.0, 3.0, 4.0]


def test_restated_versions_count_from_their_own_instant():
    records = [bar(day, day) for day in range(6)]
    revised = bar(1, 100.0, known_at=CLOSES[3] + HOUR)
    again = bar(1, 200.0, known_at=CLOSES[4] + HOUR)
    seen = closes_seen(points_at(range(6)), bars_of([again, *records, revised]), length=5)
    assert seen[3, 2] == 1.0
    assert seen[4, 1] == 100.0
    assert seen[5, 0] == 200.0


days = st.integers(0, 9)
versions = st.lists(
    st.tuples(days, st.integers(0, 12), st.integers(1, 9), st.sampled_from(["A", "B"])),
    max_size=30,
    unique_by=lambda v: (v[0], v[1], v[3]),
)


cut_offs = st.tuples(days, st.integers(0, 12), st.sampled_from(["A", "B"]))


@settings(max_examples=60, deadline=None)
@given(versions, st.lists(cut_offs, min_size=1, max_size=10, unique_by=lambda p: (p[0], p[2])))
def test_panels_show_what_the_definition_shows(found, wanted):
    records = [bar(day, close, known_at=CLOSES[day + delay], symbol=name) for day, delay, close, name in found]
    instants = [CLOSES[day + delay] for day, delay, _ in wanted]
    points = points_at([day for day, _, _ in wanted], symbol=[name for *_, name in wanted], as_of=instants)
    np.testing.assert_array_equal(closes_seen(points, bars_of(records), 6), plain(points, records, 6))


@settings(max_examples=20, deadline=None)
@given(versions, st.integers(0, 9), st.randoms())
def test_truncation_order_and_second_delivery(found, last, order):
    records = [bar(day, close, known_at=CLOSES[day + delay], symbol=name) for day, delay, close, name in found]
    points = points_at([last])
    expected = closes_seen(points, bars_of(records))
    known = [record for record in records if record["known_at"] <= CLOSES[last]]
    poisoned = [
        record if record["known_at"] <= CLOSES[last] else record | {"close": record["close"] * 1000}
        for record in records
    ]
    shuffled = records * 2
    order.shuffle(shuffled)
    for other in (known, poisoned, shuffled):
        np.testing.assert_array_equal(closes_seen(points, bars_of(other)), expected)


def test_symbols_together_or_alone():
    records = [bar(day, day + 10 * (name == "B"), symbol=name) for day in range(8) for name in ("A", "B")]
    records[5]["known_at"] = CLOSES[6]
    frame = bars_of(records)
    both = daily_points(frame)
    together = closes_seen(both, frame)
    for name in ("A", "B"):
        own = frame.filter(pl.col("symbol") == name)
        alone = closes_seen(daily_points(own), own)
        np.testing.assert_array_equal(together[(both.frame["symbol"] == name).to_numpy()], alone)


def test_a_plain_history_makes_one_panel():
    frame = bars_of([bar(day, day, symbol=name) for day in range(10) for name in "ABC"])
    assert len(list(visible_panels(daily_points(frame), frame))) == 1


def test_late_bars_of_many_symbols_share_their_panels():
    """Each symbol has a bar that came late, at an instant of its own: two panels, not one for every instant."""
    records = [
        bar(day, day, symbol=name, known_at=CLOSES[4] + HOUR * number if day == 2 else None)
        for number, name in enumerate("ABCDEFGH")
        for day in range(8)
    ]
    frame = bars_of(records)
    points = Points.of(pl.concat([points_at(range(8), symbol=name).frame for name in "ABCDEFGH"]))
    assert len(list(visible_panels(points, frame))) == 2
    np.testing.assert_array_equal(closes_seen(points, frame), plain(points, records))


def test_adjusted_and_traded_quantities():
    frame = bars_of([bar(0, 50.0, factor=2.0, volume=30.0), bar(1, 60.0, factor=1.0, volume=None)])
    ((rows, panel),) = visible_panels(points_at([0, 1]), frame)
    assert rows.tolist() == [0, 1]
    assert panel.close.tolist() == [[100.0, 60.0]]
    assert panel.traded_close.tolist() == [[50.0, 60.0]]
    np.testing.assert_array_equal(panel.volume, [[30.0, np.nan]])
    np.testing.assert_array_equal(panel.adjusted_volume, [[15.0, np.nan]])
    assert panel.at(points_at([1]), panel.close).tolist() == [60.0]


def test_points_of_daily_bars():
    frame = bars_of([bar(1, 1.0, known_at=CLOSES[2]), bar(1, 2.0, known_at=CLOSES[3]), bar(2, 1.0), bar(0, 1.0)])
    points = daily_points(frame)
    assert points.frame["session"].to_list() == DAYS[:3]
    assert points.frame["as_of"].to_list() == [CLOSES[0], CLOSES[2], CLOSES[2]]
    assert daily_points(frame, [DAYS[2]]).frame["session"].to_list() == [DAYS[2]]
    early = bars_of([bar(0, 1.0, known_at=CLOSES[0] - HOUR)])
    assert daily_points(early).frame["as_of"].to_list() == [CLOSES[0]]


def test_some_of_the_points_keep_their_codes():
    points = Points.of(pl.concat([points_at([0, 1], symbol=name).frame for name in ("B", "A")]))
    assert points.symbols == ("A", "B")
    for where in (np.array([2, 3]), np.array([False, False, True, True])):
        some = points.only(where)
        assert (some.symbol.tolist(), some.symbols, len(some)) == ([1, 1], ("A", "B"), 2)


def test_nothing_to_see():
    frame = bars_of([bar(0, 1.0)])
    assert list(visible_panels(points_at([]), frame)) == []
    assert DailyBars(points_at([]), frame).compute(lambda panel, own: panel.at(own, panel.close)).shape == (0,)
    assert DailyBars(points_at([]), frame).compute_all(lambda panel, own: {"x": own.symbol * 1.0}) == {}
    assert len(daily_points(frame.clear())) == 0
    assert np.isnan(closes_seen(points_at([3], symbol="Z"), frame)).all()
    assert np.isnan(closes_seen(points_at([3]), frame.clear())).all()


def test_several_quantities_over_several_panels():
    records = [bar(day, day) for day in range(6)]
    records[2]["known_at"] = CLOSES[4]
    daily = DailyBars(points_at(range(6)), bars_of(records))
    found = daily.compute_all(lambda panel, own: {"now": panel.at(own, panel.close), "rank": own.position * 1.0})
    np.testing.assert_array_equal(found["now"], [0.0, 1.0, np.nan, 3.0, 4.0, 5.0])
    assert (found["rank"] == daily.points.position).all()


def test_bad_points_and_bars_are_named():
    twice = pl.concat([points_at([0]).frame] * 2)
    with pytest.raises(ValueError, match="expected each symbol and session once"):
        Points.of(twice)
    with pytest.raises(UnknownSessionError, match=r"points: expected sessions of XNYS, found 2012-11-22 \(1 such"):
        Points.of(twice.head(1).with_columns(session=pl.date(2012, 11, 22)))
    with pytest.raises(UnknownSessionError, match=r"raw.equity_bars: expected sessions of XNYS, found 1812-06-18"):
        DailyBars(points_at([0]), bars_of([bar(0, 1.0) | {"session": dt.date(1812, 6, 18)}]))
    with pytest.raises(ValueError, match="expected a column 'close'"):
        DailyBars(points_at([0]), bars_of([bar(0, 1.0)]).drop("close"))
