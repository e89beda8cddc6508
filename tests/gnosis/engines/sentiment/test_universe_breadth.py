import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.points import daily_points
from gnosis.engines.regimes import labels
from gnosis.engines.sentiment.breadth import (
    BREADTH_SCHEMA,
    COLUMNS,
    CYCLICAL,
    DEFENSIVE,
    LOOKBACK,
    breadth_at,
    rotation_score,
    universe_breadth,
)
from gnosis.engines.sentiment.market_panels import MEMBERSHIP_SCHEMA, CutOffs
from gnosis.sessions import schedule, shift_session
from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins.sentiment_breadth import TWINS

MEMBERS = tuple(f"S{i:02d}" for i in range(14))
FUNDS = (*CYCLICAL, *DEFENSIVE)


@pytest.fixture(scope="module")
def universe(walk):
    """Fourteen members with a few missing sessions, and the sector funds without."""
    return pl.concat([walk(MEMBERS, n=170, gaps=0.002), walk(FUNDS, n=170, sigma=0.01)])


@pytest.fixture(scope="module")
def index(index_walk):
    return index_walk(n=170, sigma=0.01)


def cut_offs(universe, sessions=None):
    return daily_points(universe.filter(pl.col("symbol") == "XLK"), sessions).frame


def table_of(universe, index, sessions=None, **settings):
    return universe_breadth(cut_offs(universe, sessions), universe, index, **settings)


def test_every_measure_equals_its_readable_twin(universe, index):
    table = table_of(universe, index)
    assert dict(table.schema) == BREADTH_SCHEMA
    assert universe.height < 170 * (len(MEMBERS) + len(FUNDS))
    assert all(table[name].count() >= 40 for name in COLUMNS)
    tables = {"raw.equity_bars": universe, "raw.index_levels": index}
    for place in [*range(0, 170, 14), 49, 50, 69, 70, 71, 120]:
        row = table.row(place, named=True)
        seen = Seen(tables, "XLK", row["session"], row["as_of"])
        for name, twin in TWINS.items():
            want, have = twin(seen), row[name]
            if isinstance(want, str):
                have = labels(name)[int(have)]
            assert have == (want if isinstance(want, str | None) else pytest.approx(float(want), rel=1e-9)), (name, row)


@pytest.mark.parametrize(
    ("lookback", "names"), [(2, COLUMNS[:1]), (50, COLUMNS[1:2]), (71, (COLUMNS[2], COLUMNS[5])), (70, COLUMNS[3:4])]
)
def test_lookbacks_are_exact(walk, index_walk, lookback, names):
    universe, index = walk((*MEMBERS, *FUNDS), n=130), index_walk(n=130)
    last = universe["session"].max()
    long = table_of(universe, index, [last])

    def of(n):
        first = shift_session(last, 1 - n)
        return table_of(universe.filter(pl.col("session") >= first), index, [last])

    for name in names:
        assert of(lookback)[name].equals(long[name]) and long[name].null_count() == 0, name
        assert of(lookback - 1)[name].null_count() == 1, name


def test_index_may_lag_two_sessions_and_no_more(walk, index_walk):
    bars, index = walk(("XLK",), n=140), index_walk(n=140)
    last = bars["session"].max()
    for lag, is_known in ((0, True), (2, True), (3, False)):
        cut = index.filter(pl.col("session") <= shift_session(last, -lag))
        exact = cut.filter(pl.col("session") > shift_session(last, -lag - 121))
        code = table_of(bars, cut, [last])["sent_risk_regime"]
        assert (code[0] is not None) == is_known
        assert table_of(bars, exact, [last])["sent_risk_regime"].equals(code)
        assert table_of(bars, exact.sort("session").tail(120), [last])["sent_risk_regime"][0] is None
    assert LOOKBACK == 121 + 2


def test_level_that_was_not_known_at_the_cut_off_is_not_read(universe, index):
    last = universe["session"].max()
    poisoned = index.with_columns(
        close=pl.when(pl.col("session") == last).then(1e6).otherwise("close"),
        known_at=pl.when(pl.col("session") == last)
        .then(pl.col("known_at") + pl.duration(minutes=1))
        .otherwise("known_at"),
    )
    without = index.filter(pl.col("session") < last)
    assert table_of(universe, poisoned).equals(table_of(universe, without))


def test_fewer_than_ten_members_say_nothing(walk):
    nine, ten = (walk(MEMBERS[:n], n=60) for n in (9, 10))
    pairs = daily_points(ten.filter(pl.col("symbol") == "S00")).frame
    assert universe_breadth(pairs, nine)["sent_advance_decline_ratio"].null_count() == 60
    assert universe_breadth(pairs, ten)["sent_advance_decline_ratio"].null_count() == 1


def test_membership_is_dated(universe, index):
    last = universe["session"].max()
    joined = shift_session(last, -30)
    spells = pl.DataFrame(
        {
            "symbol": [*MEMBERS, "XLK"],
            "first_session": [dt.date(2000, 1, 3)] * 14 + [joined],
            "last_session": [None] * 15,
        },
        schema=MEMBERSHIP_SCHEMA,
    )
    table, plain = table_of(universe, index, membership=spells), table_of(universe, index)
    for name, free_until in (("sent_advance_decline_ratio", joined), ("sent_pct_above_ma", joined)):
        before = table["session"] < free_until
        assert table[name].filter(before).equals(plain[name].filter(before))
        assert not table[name].filter(~before).equals(plain[name].filter(~before))
    gone = spells.with_columns(last_session=pl.lit(shift_session(last, -1)))
    assert table_of(universe, index, [last], membership=gone)["sent_advance_decline_ratio"][0] is None
    with pytest.raises(ValueError, match="membership: expected 'last_session' as Date, found None"):
        table_of(universe, index, membership=spells.drop("last_session"))


def test_late_and_revised_bars_count_from_their_own_instant(universe, index):
    last = universe["session"].max()
    day = shift_session(last, -3)
    hour = pl.duration(hours=1)
    of_day = (pl.col("session") == day) & (pl.col("symbol") == "S03")
    revised = universe.filter(of_day).with_columns(
        pl.col("close") * 0.5, low=pl.col("low") * 0.5, known_at=pl.col("known_at") + hour
    )
    both = pl.concat([universe, revised])
    close_at = universe.filter(of_day)["known_at"][0]
    pairs = pl.concat(
        [
            cut_offs(universe),
            pl.DataFrame({"session": [day], "as_of": [close_at + dt.timedelta(hours=1)]}).cast(
                {"as_of": pl.Datetime("us", "UTC")}
            ),
        ],
        how="diagonal",
    )
    table = universe_breadth(pairs, both, index)
    plain = table_of(universe, index)
    replaced = table_of(
        pl.concat([universe.filter(~of_day), revised.with_columns(known_at=pl.col("known_at") - hour)]), index
    )
    two = table.filter(pl.col("session") == day)
    assert two.head(1).equals(plain.filter(pl.col("session") == day))
    assert two.tail(1).drop("as_of").equals(replaced.filter(pl.col("session") == day).drop("as_of"))
    later = pl.col("session") > day
    assert table.filter(later).equals(replaced.filter(later))
    assert table.filter(pl.col("session") < day).equals(plain.filter(pl.col("session") < day))


def test_future_and_row_order_do_not_matter(universe, index):
    day = shift_session(universe["session"].max(), -20)
    whole = table_of(universe, index)
    cut = table_of(universe.filter(pl.col("session") <= day), index.filter(pl.col("session") <= day))
    assert whole.filter(pl.col("session") <= day).equals(cut)
    poison = universe.with_columns(
        close=pl.when(pl.col("session") > day).then(pl.col("close") * 1000).otherwise("close")
    )
    assert table_of(poison, index).filter(pl.col("session") <= day).equals(cut)
    shuffled = pl.concat([universe, universe.head(50)]).sample(fraction=1.0, shuffle=True, seed=1)
    assert table_of(shuffled, index.reverse()).equals(whole)


def test_points_find_the_latest_cut_off_of_their_session(universe, index):
    table = table_of(universe, index)
    points = daily_points(universe.filter(pl.col("symbol").is_in(["S01", "S02"])))
    found = breadth_at(points, table)
    want = points.frame.join(table.drop("as_of"), on="session", how="left", maintain_order="left")
    for name in COLUMNS:
        np.testing.assert_array_equal(found[name], want[name].fill_null(float("nan")).to_numpy())
    later = table.with_columns(pl.col("as_of") + pl.duration(minutes=1))
    assert all(np.isnan(values).all() for values in breadth_at(points, later).values())
    both = breadth_at(points, pl.concat([later.with_columns(pl.lit(0.0).alias(name) for name in COLUMNS), table]))
    np.testing.assert_array_equal(both["sent_pct_above_ma"], found["sent_pct_above_ma"])
    with pytest.raises(ValueError, match="breadth: expected a column 'sent_pct_above_ma' as Float64"):
        breadth_at(points, table.drop("sent_pct_above_ma"))


def test_every_risk_label_occurs_and_thrust_and_divergence_take_every_value(walk, index_walk):
    calm = index_walk(n=700, seed=3, sigma=0.01)
    # The last month of every half year is four times as wild and falls.
    step = calm["close"].log().diff().fill_null(0.0).to_numpy()
    wild = np.arange(700) % 125 >= 100
    closes = 1000.0 * np.exp(np.cumsum(np.where(wild, 4 * step - 0.01, step)))
    pulse = np.where(np.arange(700) % 60 < 30, -0.004, 0.004)
    symbols = walk(MEMBERS, n=700, sigma=0.01)
    trend = pl.DataFrame({"session": calm["session"], "factor": np.exp(np.cumsum(pulse))})
    swinging = symbols.join(trend, on="session").with_columns(
        pl.col(name) * pl.col("factor") for name in ("open", "high", "low", "close")
    )
    pairs = daily_points(symbols.filter(pl.col("symbol") == "S00")).frame
    table = universe_breadth(pairs, swinging.select(symbols.columns), calm.with_columns(close=pl.Series(closes)))
    assert set(table["sent_risk_regime"].drop_nulls().unique()) == {0.0, 1.0, 2.0}
    assert set(table["sent_breadth_divergence"].drop_nulls().unique()) == {-1.0, 0.0, 1.0}
    assert set(table["sent_breadth_thrust"].drop_nulls().unique()) == {0.0, 1.0}


def test_rotation_needs_every_fund_and_its_windows_do_not_depend_on_the_history(walk):
    funds = np.stack([walk((name,), n=200)["close"].to_numpy() for name in FUNDS])
    whole = rotation_score(funds[:4], funds[4:])
    for t in (70, 71, 133, 199):
        part = funds[:, t - 70 : t + 1]
        assert rotation_score(part[:4], part[4:])[-1] == whole[t]
    assert rotation_score(3.0 * funds[:4], funds[4:])[-1] == pytest.approx(whole[-1])
    assert rotation_score(funds[4:], funds[:4])[-1] == pytest.approx(-whole[-1])
    holed = funds.copy()
    holed[2, 150] = np.nan
    assert np.isnan(rotation_score(holed[:4], holed[4:])[150:]).all()


def test_panels_hold_the_lookback_of_the_cut_offs_and_nothing_before():
    days = schedule().filter(pl.col("session") >= dt.date(2024, 1, 2)).head(3)
    pairs = CutOffs(days.select("session", as_of="close_at"), LOOKBACK)
    assert (pairs.width, pairs.column.tolist()) == (LOOKBACK + 2, [122, 123, 124])
