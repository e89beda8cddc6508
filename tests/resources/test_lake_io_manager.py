"""What a table may hold goes to the table, everything else to its quarantine: no row is lost on the way."""

from __future__ import annotations

import datetime as dt
import json

import dagster as dg
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.tables import TABLES
from resources.lake import Correction, Lake
from resources.lake_io_manager import LakeIOManager, split_by_rules, words_of_changes, write_quarantine
from resources.providers.rejections import rejected_rows

BARS = TABLES["raw.equity_bars"]
DAY, NEXT_DAY = dt.date(2012, 3, 14), dt.date(2012, 3, 15)
CLOSE = dt.datetime(2012, 3, 14, 20, tzinfo=dt.UTC)


def bar(symbol="AAPL", session=DAY, **other):
    row = {
        "session": session,
        "symbol": symbol,
        "ts": CLOSE,
        "open": 10.0,
        "high": 12.0,
        "low": 9.0,
        "close": 11.0,
        "volume": 1000.0,
        "adjustment_factor": 1.0,
        "known_at": CLOSE,
        "provider": "example",
        "synthetic": False,
    }
    return row | other


def frame_of(*rows):
    return pl.DataFrame(list(rows), schema=BARS.polars_schema, orient="row")


def test_good_rows_are_stored_and_none_is_quarantined():
    good, bad = split_by_rules(BARS, frame_of(bar(), bar("IBM")), None, [DAY])
    assert (good.height, bad.height) == (2, 0)
    assert bad.schema == TABLES["quarantine.raw_equity_bars"].polars_schema


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"close": -11.0}, "close"),
        ({"high": 1.0}, "high"),
        ({"open": None}, "open"),
        ({"open": float("nan")}, "open"),
    ],
    ids=["negative price", "high below low", "no price", "not a number"],
)
def test_a_wrong_row_is_kept_whole_with_the_name_of_its_rule(wrong, rule):
    good, bad = split_by_rules(BARS, frame_of(bar(), bar("IBM", **wrong)), None, [DAY])
    assert good["symbol"].to_list() == ["AAPL"]
    assert bad["session"].to_list() == [DAY]
    assert rule in bad["rule"].item()
    found = json.loads(bad["found"].item())
    assert found["symbol"] == "IBM"
    assert list(found) == list(BARS.polars_schema)
    assert bad["provider"].item() == "example"


def test_of_an_exact_copy_one_row_is_stored_and_the_copy_quarantined():
    good, bad = split_by_rules(BARS, frame_of(bar(), bar(), bar(), bar("IBM")), None, [DAY])
    assert good["symbol"].to_list() == ["AAPL", "IBM"]
    assert bad["rule"].to_list() == ["delivered_twice"] * 2


def test_of_two_versions_of_a_key_neither_is_believed():
    good, bad = split_by_rules(BARS, frame_of(bar(), bar(close=10.5), bar("IBM")), None, [DAY])
    assert good["symbol"].to_list() == ["IBM"]
    assert bad["rule"].to_list() == ["primary_key"] * 2


def test_a_copy_of_a_wrong_row_is_counted_as_a_copy_and_as_wrong():
    good, bad = split_by_rules(BARS, frame_of(bar(close=-1.0), bar(close=-1.0), bar("IBM")), None, [DAY])
    assert good["symbol"].to_list() == ["IBM"]
    assert bad.height == 2
    assert "delivered_twice" in bad["rule"].to_list()


def test_rows_that_the_provider_rejected_are_quarantined_beside_the_others():
    holiday = rejected_rows(
        pl.DataFrame({"day": [DAY], "close": [1.0]}), date="day", rule="not_a_session", provider="example"
    )
    _, bad = split_by_rules(BARS, frame_of(bar(close=-1.0)), holiday, [DAY])
    assert bad.height == 2
    assert bad["row_number"].to_list() == [0, 1]
    assert "not_a_session" in bad["rule"].to_list()


def test_wrong_columns_stop_the_asset_and_are_named():
    wrong = frame_of(bar()).with_columns(pl.col("close").cast(pl.Int64)).drop("volume")
    with pytest.raises(dg.Failure, match=r"raw.equity_bars: expected and found dtypes differ: .*") as failure:
        split_by_rules(BARS, wrong, None, [DAY])
    assert "close" in str(failure.value.description)
    assert "volume" in str(failure.value.description)
    assert not failure.value.allow_retries


def test_a_wrong_row_of_a_table_made_as_a_whole_stops_the_asset():
    folds = TABLES["models.folds"]
    row = dict.fromkeys(folds.polars_schema)
    wrong = pl.DataFrame([row], schema=folds.polars_schema, orient="row")
    with pytest.raises(dg.Failure, match=r"models.folds: 1 rows break"):
        split_by_rules(folds, wrong, None, None)


rows_strategy = st.lists(
    st.builds(
        bar,
        symbol=st.sampled_from(["AAPL", "IBM", "MSFT"]),
        session=st.sampled_from([DAY, NEXT_DAY]),
        close=st.sampled_from([11.0, 10.0, -1.0, None]),
        high=st.sampled_from([12.0, 0.5]),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(rows_strategy)
def test_rows_in_are_rows_stored_plus_rows_quarantined(rows):
    good, bad = split_by_rules(BARS, frame_of(*rows), None, [DAY, NEXT_DAY])
    assert good.height + bad.height == len(rows)
    assert not good.select(pl.struct(BARS.key).is_duplicated()).to_series().any()
    assert not bad.select(pl.struct("session", "row_number").is_duplicated()).to_series().any()


@settings(max_examples=30, deadline=None)
@given(rows_strategy, st.randoms(use_true_random=False))
def test_the_order_of_delivery_changes_neither_rows_nor_quarantine(rows, chance):
    shuffled = list(rows)
    chance.shuffle(shuffled)
    first, second = (split_by_rules(BARS, frame_of(*some), None, [DAY, NEXT_DAY]) for some in (rows, shuffled))
    assert first[0].sort(BARS.key).equals(second[0].sort(BARS.key))
    assert first[1].equals(second[1])


def test_findings_of_a_session_are_replaced_when_it_is_made_again(tmp_path):
    lake = Lake(tmp_path)
    name = "quarantine.raw_equity_bars"
    _, bad = split_by_rules(BARS, frame_of(bar(close=-1.0), bar(session=NEXT_DAY, close=-1.0)), None, [DAY, NEXT_DAY])
    write_quarantine(lake, BARS, bad, [DAY, NEXT_DAY], "first")
    assert lake.read(name).height == 2
    write_quarantine(lake, BARS, bad.clear(), [DAY], "second")
    assert lake.read(name)["session"].to_list() == [NEXT_DAY]


def test_an_input_is_never_loaded_through_the_manager(tmp_path):
    context = dg.build_input_context(asset_key=dg.AssetKey(["raw", "equity_bars"]))
    with pytest.raises(NotImplementedError, match=r"read raw.equity_bars through the lake resource"):
        LakeIOManager(home=str(tmp_path)).load_input(context)


def words(lake, closes, learnt_at, correction=None):
    """Store bars of both sessions by their closes and return what is told and what is warned of."""
    rows = [bar(session=day, close=close) for day, close in closes.items()]
    frame = pl.DataFrame(rows, schema=BARS.polars_schema)
    commit = lake.write(BARS.name, frame, [DAY, NEXT_DAY], "run", learnt_at, correction)
    said = list(words_of_changes(lake, BARS, commit, correction))
    return [text for text, is_warning in said if not is_warning], [text for text, is_warning in said if is_warning]


def test_what_changed_is_told_and_warned_of_before_the_newest_session(tmp_path):
    lake, evening = Lake(tmp_path), CLOSE + dt.timedelta(days=1, hours=1)
    hours = [evening + dt.timedelta(hours=number) for number in range(8)]
    assert words(lake, {NEXT_DAY: 11.0}, hours[0]) == ([], [])
    told, warned = words(lake, {NEXT_DAY: 10.5}, hours[1])
    assert (len(told), warned) == (1, [])
    assert "1 stored rows were restated or are gone, session 2012-03-15" in told[0]
    assert "gnosis run" not in told[0]
    told, (late,) = words(lake, {DAY: 11.0, NEXT_DAY: 10.5}, hours[2])
    assert told == []
    assert "1 new rows in sessions stored before, session 2012-03-14" in late
    told, (restated,) = words(lake, {DAY: 10.0, NEXT_DAY: 10.5}, hours[3])
    demand = f"raw.equity_bars@{hours[3].isoformat()}"
    assert f"gnosis run --from {DAY} --to {DAY} --again --correct-history {demand} (later" in restated
    assert "predictions and ideas stay as published" in restated
    _, (nothing,) = words(lake, {DAY: 10.0, NEXT_DAY: 10.5}, hours[4], Correction())
    assert f"found none; to correct what was restated before, name its instant, --correct-history {demand}" in nothing
    _, (corrected,) = words(lake, {DAY: 10.0, NEXT_DAY: 10.5}, hours[5], Correction(hours[3]))
    assert "1 stored rows" in corrected and "history is made from the new ones" in corrected
    (tmp_path / "lake/raw/equity_bars" / lake.manifest(BARS.name).entries["2012-03"].file).write_bytes(b"damaged")
    _, (unread,) = words(lake, {DAY: 10.0, NEXT_DAY: 10.5}, hours[6])
    assert "2 sessions from 2012-03-14 to 2012-03-15 could not be read: no version of them is kept" in unread
