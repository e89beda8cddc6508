"""Tables of the day, of the evening and of texts from the user's files: sessions, instants, hashes and sums."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

from gnosis.engines.scoring.text import text_hash
from gnosis.sessions import schedule, sessions_between
from gnosis.tables import TABLES
from resources.market_data import split_untimely
from resources.providers.errors import FolderConfigError, WrongTypeError
from resources.providers.files import FilesProvider

DAYS = sessions_between(dt.date(2013, 1, 2), dt.date(2013, 1, 8))
WED, THU, FRI, MON, TUE = DAYS
BARS = {"symbol": "s", "ts": "t", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
POSTS = {"symbol": "s", "ts": "t", "text": "text", "author_hash": "who"}
NEW_YORK = "America/New_York"


def utc(day: dt.date, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour, minute), dt.UTC)


def served(folder: Path, table: str, text: str, columns: dict, **source) -> FilesProvider:
    (folder / "rows.csv").write_text(text)
    entry = {"path": "rows.csv", "format": "csv", "columns": columns} | source
    config = {"first_session": WED, "last_session": TUE, "tables": {table: [entry]}}
    (folder / "gnosis.yaml").write_text(yaml.safe_dump(config))
    return FilesProvider(folder)


def minute_bars(folder: Path, *times: str, **source) -> FilesProvider:
    text = "s,t,o,h,l,c,v\n" + "".join(f"AAA,{time},10,11,9,10.5,100\n" for time in times)
    return served(folder, "raw.intraday_bars", text, BARS, constants={"frequency": "5min"}, **source)


def posts(folder: Path, *rows: str, **source) -> FilesProvider:
    known = {"known_at": {"rule": "after_ts", "delay_minutes": 0}, "constants": {"source": "x", "tag": "none"}}
    described = {"columns": POSTS} | known | source
    return served(folder, "raw.posts", "s,t,text,who\n" + "\n".join(rows) + "\n", **described)


def sessions_of(provider: FilesProvider, table: str) -> list[dt.date]:
    """Return the session of each row in the order of ``ts``, asked for night by night."""
    nights = [provider.fetch(table, [day]).frame for day in DAYS]
    together = provider.fetch(table, DAYS).frame
    assert_frame_equal(pl.concat(nights), together)
    assert TABLES[table].schema.filter(together)[1].counts() == {}
    return together.sort("ts")["session"].to_list()


def test_bars_within_the_day(tmp_path):
    provider = minute_bars(tmp_path, "2013-01-03 09:35:00", "2013-01-03 16:00:00", zone=NEW_YORK)
    assert sessions_of(provider, "raw.intraday_bars") == [THU, THU]
    frame = provider.fetch("raw.intraday_bars", [THU]).frame
    assert frame["ts"].to_list() == frame["known_at"].to_list() == [utc(THU, 14, 35), utc(THU, 21)]


def test_bars_stamped_with_their_start_end_later(tmp_path):
    provider = minute_bars(tmp_path, "2013-01-03 09:30:00", "2013-01-03 15:55:00", zone=NEW_YORK, bar_stamp="start")
    assert provider.fetch("raw.intraday_bars", DAYS).frame["ts"].to_list() == [utc(THU, 14, 35), utc(THU, 21)]


def test_bars_outside_of_the_regular_session_are_set_aside(tmp_path):
    # A bar that ends two minutes after the open began before it.
    times = ("2013-01-03 08:00:00", "2013-01-03 09:32:00", "2013-01-03 16:05:00", "2013-01-05 12:00:00")
    provider = minute_bars(tmp_path, *times, zone=NEW_YORK)
    fetched = provider.fetch("raw.intraday_bars", DAYS)
    assert fetched.frame.is_empty()
    assert set(fetched.rejected["rule"]) == {"outside_regular_session"}
    nights = [provider.fetch("raw.intraday_bars", [day]).rejected for day in DAYS]
    assert_frame_equal(pl.concat(nights), fetched.rejected)
    assert fetched.rejected.height == 4


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("2013-01-03T14:35:00Z", {}),
        ("2013-01-03T09:35:00-05:00", {}),
        ("2013-01-03 09:35:00", {"zone": NEW_YORK}),
        ("2013-01-03 15:35:00", {"zone": "Europe/Berlin"}),
        ("03.01.2013 09:35", {"zone": NEW_YORK, "date_format": "%d.%m.%Y %H:%M"}),
        ("1357223700", {"epoch": "s"}),
        ("1357223700.0", {"epoch": "s"}),
        ("1357223700000", {"epoch": "ms"}),
        ("1357223700000000", {"epoch": "us"}),
        ("1357223700000000000", {"epoch": "ns"}),
    ],
)
def test_ways_to_write_an_instant(tmp_path, text, source):
    assert minute_bars(tmp_path, text, **source).fetch("raw.intraday_bars", DAYS).frame["ts"].item() == utc(THU, 14, 35)


def test_an_instant_without_zone_is_not_guessed(tmp_path):
    with pytest.raises(
        WrongTypeError, match="instants with a zone, or 'zone' or 'epoch', found String such as '2013-01"
    ):
        minute_bars(tmp_path, "2013-01-03 09:35:00").fetch("raw.intraday_bars", DAYS)
    mixed = minute_bars(tmp_path, "2013-01-03T14:35:00Z", "2013-01-03 09:40:00", "soon")
    fetched = mixed.fetch("raw.intraday_bars", DAYS)
    assert fetched.frame.height == 1
    assert fetched.rejected["rule"].to_list() == ["ts|type", "ts|type"]


def test_of_the_repeated_hour_in_autumn_the_later_one_counts(tmp_path):
    provider = posts(tmp_path, "AAA,2013-11-03 01:30:00,said in the night,me", zone=NEW_YORK)
    provider.spec = provider.spec.model_copy(update={"last_session": dt.date(2013, 11, 4)})
    frame = provider.fetch("raw.posts", [dt.date(2013, 11, 4)]).frame
    assert frame["ts"].item() == dt.datetime(2013, 11, 3, 6, 30, tzinfo=dt.UTC)


def test_trades_round_the_clock_belong_to_the_next_close(tmp_path):
    times = ["2013-01-02T20:59:59Z", "2013-01-02T21:00:00Z", "2013-01-02T21:00:01Z", "2013-01-05T12:00:00Z"]
    text = "s,t,id,p,n,side\n" + "".join(f"AAA,{time},{n},10,5,b\n" for n, time in enumerate(times))
    columns = {"symbol": "s", "ts": "t", "trade_id": "id", "price": "p", "size": "n", "aggressor": "side"}
    provider = served(tmp_path, "raw.trades", text, columns, values={"aggressor": {"b": "buy", "s": "sell"}})
    assert sessions_of(provider, "raw.trades") == [WED, WED, THU, MON]
    assert set(provider.fetch("raw.trades", DAYS).frame["aggressor"]) == {"buy"}


def test_levels_are_whole_numbers(tmp_path):
    text = "s,t,side,level,p,n\nAAA,2013-01-03T15:00:00Z,B,1.5,10,5\nAAA,2013-01-03T15:00:00Z,A,1,11,5\n"
    columns = {"symbol": "s", "ts": "t", "side": "side", "level": "level", "price": "p", "size": "n"}
    fetched = served(tmp_path, "raw.order_books", text, columns).fetch("raw.order_books", DAYS)
    assert fetched.frame["side"].to_list() == ["A"]
    assert fetched.rejected["rule"].to_list() == ["level|type"]


def test_posts_belong_to_the_first_close_at_which_they_were_known(tmp_path):
    rows = [f"AAA,2013-01-0{day}T{time}:00Z,some text {n},me" for n, (day, time) in enumerate(
        [(2, "20:59"), (2, "21:00"), (2, "21:01"), (4, "21:30"), (6, "12:00")]
    )]  # fmt: skip
    assert sessions_of(posts(tmp_path, *rows), "raw.posts") == [WED, WED, THU, MON, MON]
    late = posts(tmp_path, *rows, known_at={"rule": "after_ts", "delay_minutes": 30})
    assert sessions_of(late, "raw.posts") == [THU, THU, THU, MON, MON]
    later = posts(tmp_path, *rows, known_at={"rule": "after_ts", "delay_minutes": 3 * 24 * 60})
    assert sessions_of(later, "raw.posts") == [MON, MON, MON, TUE]


def test_posts_known_from_a_column(tmp_path):
    text = "s,t,text,got\nAAA,2013-01-02T15:00:00Z,one two,2013-01-04 10:00:00\nAAA,2013-01-02T15:00:00Z,three four,\n"
    columns = {"symbol": "s", "ts": "t", "text": "text"}
    provider = served(
        tmp_path, "raw.posts", text, columns, constants={"source": "reddit", "tag": "none"},
        known_at={"rule": "column", "column": "got", "zone": NEW_YORK},
    )  # fmt: skip
    assert sessions_of(provider, "raw.posts") == [FRI]
    fetched = provider.fetch("raw.posts", DAYS)
    assert fetched.frame["known_at"].to_list() == [utc(FRI, 15)]
    assert fetched.rejected["rule"].to_list() == ["known_at|type"]
    assert split_untimely(fetched.frame, utc(TUE, 0))[1].is_empty()


def test_texts_are_hashed_authors_hidden_and_posts_identified(tmp_path):
    row = "AAA,2013-01-02T15:00:00Z,Profit ROSE,alice"
    frame = posts(tmp_path, row, row, "AAA,2013-01-02T15:00:00Z,profit  rose,bob").fetch("raw.posts", DAYS).frame
    assert frame["text_hash"].unique().to_list() == [text_hash("profit rose")]
    assert set(frame["author_hash"]) == {hashlib.sha256(name.encode()).hexdigest() for name in ("alice", "bob")}
    # An exact copy keeps its identifier, so that it is recognised as delivered twice; another author's has another.
    assert frame["post_id"].n_unique() == 2
    assert frame.unique().height == 2


def test_news_may_come_with_their_hash_only(tmp_path):
    text = "s,t,hash,k,e\nAAA,2013-01-02T15:00:00Z,abc,qa,Q4\nAAA,2013-01-02T15:00:00Z,def,headline,\n"
    columns = {"symbol": "s", "ts": "t", "text_hash": "hash", "kind": "k", "event_id": "e"}
    provider = served(
        tmp_path, "raw.news", text, columns, values={"kind": {"qa": "earnings_qa", "headline": "article"}},
        known_at={"rule": "after_ts", "delay_minutes": 1},
    )  # fmt: skip
    assert sessions_of(provider, "raw.news") == [WED, WED]
    frame = provider.fetch("raw.news", DAYS).frame
    assert set(frame["text_hash"]) == {"abc", "def"}
    assert frame["text"].null_count() == 2
    assert frame["item_id"].n_unique() == 2


SHORTS = {"session": "d", "symbol": "s", "short_volume": "sv", "total_volume": "tv"}


def shorts(folder: Path, *rows: str, **source) -> FilesProvider:
    return served(folder, "raw.short_volume", "d,s,m,sv,tv\n" + "\n".join(rows) + "\n", SHORTS, **source)


def test_short_volume_is_known_in_the_evening_and_summed_over_facilities(tmp_path):
    provider = shorts(
        tmp_path, "2013-01-03,AAA,N,10,20", "2013-01-03,AAA,Q,5,9", "2013-01-03,BBB,N,1,2", sum_over=["m"]
    )
    fetched = provider.fetch("raw.short_volume", [THU])
    figures = fetched.frame.select("symbol", "short_volume", "total_volume", "short_exempt_volume").rows()
    assert figures == [("AAA", 15.0, 29.0, None), ("BBB", 1.0, 2.0, None)]
    assert fetched.frame["known_at"].unique().to_list() == [utc(THU, 23)]
    assert split_untimely(fetched.frame, utc(TUE, 0))[1].is_empty()


def test_a_sum_counts_each_part_once_and_is_never_partial(tmp_path):
    provider = shorts(
        tmp_path,
        "2013-01-03,AAA,N,10,20", "2013-01-03,AAA,N,10,20",
        "2013-01-03,BBB,N,1,2", "2013-01-03,BBB,N,1,3", "2013-01-03,BBB,Q,1,3",
        "2013-01-03,CCC,N,x,2", "2013-01-03,CCC,Q,1,2",
        sum_over=["m"],
    )  # fmt: skip
    fetched = provider.fetch("raw.short_volume", [THU])
    assert fetched.frame.select("symbol", "short_volume").rows() == [("AAA", 10.0)]
    assert fetched.rejected["rule"].to_list() == [
        "delivered_twice", "part_missing", "primary_key", "primary_key", "primary_key", "short_volume|type"
    ]  # fmt: skip


def test_the_dark_index_needs_a_rule_of_its_own(tmp_path):
    columns = {"session": "date", "dix": "dix", "gex": "gex"}
    text = "date,dix,gex\n2013-01-03,0.4,1e9\n2013-01-05,0.5,1e9\n"
    with pytest.raises(FolderConfigError, match=r"expected known_at, found none; state when a row of raw\.dix"):
        served(tmp_path, "raw.dix", text, columns)
    provider = served(tmp_path, "raw.dix", text, columns, known_at={"rule": "evening", "time": "20:00"})
    fetched = provider.fetch("raw.dix", DAYS)
    assert fetched.frame["known_at"].to_list() == [utc(FRI, 1)]
    assert fetched.rejected["rule"].to_list() == ["not_a_session"]


@pytest.mark.parametrize(
    ("table", "source", "message"),
    [
        ("raw.posts", {"known_at": {"rule": "after_ts"}}, "known_at.*delay_minutes.*Field required"),
        ("raw.posts", {"known_at": {"rule": "evening"}}, "'evening' does not apply to raw.posts"),
        ("raw.posts", {"zone": "New York"}, "zone: expected a time zone such as America/New_York"),
        ("raw.posts", {"epoch": "minutes"}, "epoch: .*'s', 'ms', 'us' or 'ns'"),
        ("raw.posts", {"columns": POSTS | {"session": "d"}}, "expected no session in columns"),
        ("raw.posts", {"columns": POSTS | {"text_hash": "h"}}, "either text or text_hash"),
        ("raw.posts", {"columns": {"symbol": "s", "ts": "t"}}, r"found none of \['text_hash'\]"),
        ("raw.posts", {"columns": {"symbol": "s", "text": "x"}}, r"found none of \['ts'\]"),
        ("raw.posts", {"known_at": None}, "expected known_at, found none"),
        ("raw.posts", {"bar_stamp": "start"}, "bar_stamp applies to raw.intraday_bars only"),
        ("raw.posts", {"sum_over": ["m"]}, "sum_over applies to raw.short_volume only"),
    ],
)
def test_descriptions_that_make_no_sense(tmp_path, table, source, message):
    with pytest.raises(FolderConfigError, match=message):
        posts(tmp_path, **source)


@pytest.mark.real_data
def test_real_short_volume_of_finra(shared_data, tmp_path):
    file = shared_data / "positioning" / "finra_short_volume_gme_etfs_2010_2021.parquet"
    entry = {
        "path": str(file.relative_to(shared_data)),
        "format": "parquet",
        "columns": {
            "session": "Date", "symbol": "Symbol", "short_volume": "Short Volume",
            "short_exempt_volume": "Short Exempt Volume", "total_volume": "Total Volume",
        },
        # Two facilities report under the same market center.
        "sum_over": ["file"],
    }  # fmt: skip
    config = {"root": str(shared_data), "tables": {"raw.short_volume": [entry]}}
    (tmp_path / "gnosis.yaml").write_text(yaml.safe_dump(config))
    provider = FilesProvider(tmp_path)
    fetched = provider.fetch("raw.short_volume", sessions_between(provider.first_session, provider.last_session))
    assert TABLES["raw.short_volume"].schema.filter(fetched.frame)[1].counts() == {}
    assert fetched.rejected.group_by("rule").len().rows() == [("delivered_twice", 9)]
    raw = pl.read_parquet(file).unique()
    assert fetched.frame.height == raw.select("Date", "Symbol").n_unique() == 78_796
    assert fetched.frame["short_volume"].sum() == raw["Short Volume"].sum()
    assert fetched.frame["total_volume"].sum() == raw["Total Volume"].sum()
    hours = fetched.frame["known_at"].dt.convert_time_zone(NEW_YORK).dt.hour()
    assert hours.unique().to_list() == [18]


@pytest.mark.real_data
def test_the_real_dark_index(shared_data, tmp_path):
    entry = {
        "path": "positioning/DIX.csv",
        "format": "csv",
        "columns": {"session": "date", "dix": "dix", "gex": "gex"},
        "known_at": {"rule": "evening", "time": "20:00"},
    }
    (tmp_path / "gnosis.yaml").write_text(yaml.safe_dump({"root": str(shared_data), "tables": {"raw.dix": [entry]}}))
    provider = FilesProvider(tmp_path)
    fetched = provider.fetch("raw.dix", sessions_between(provider.first_session, provider.last_session))
    raw = pl.read_csv(shared_data / "positioning" / "DIX.csv")
    assert fetched.frame.height + fetched.rejected.height == raw.height == 3_801
    assert set(fetched.rejected["rule"]) <= {"not_a_session"}
    assert fetched.frame.row(0)[:3] == (dt.date(2011, 5, 2), raw["dix"][0], raw["gex"][0])


@pytest.mark.real_data
def test_no_real_tweet_belongs_to_a_session_that_had_closed(shared_data, tmp_path):
    entry = {
        "path": "sentiment/stocknet_tweets_6tickers_2014_2016.parquet",
        "format": "parquet",
        "columns": {"symbol": "ticker", "ts": "created_at", "text": "text"},
        "constants": {"source": "x", "tag": "none"},
        "known_at": {"rule": "after_ts", "delay_minutes": 0},
    }
    (tmp_path / "gnosis.yaml").write_text(yaml.safe_dump({"root": str(shared_data), "tables": {"raw.posts": [entry]}}))
    provider = FilesProvider(tmp_path)
    days = sessions_between(provider.first_session, provider.last_session)
    frame = provider.fetch("raw.posts", days).frame
    raw = pl.read_parquet(shared_data / "sentiment" / "stocknet_tweets_6tickers_2014_2016.parquet")
    assert frame.height == raw.height == 48_701
    # Copies differ in nothing, so each is kept once.
    assert frame.unique().height == raw.unique().height == frame.select("symbol", "post_id").n_unique() == 48_424
    closes = schedule().select("session", "close_at", previous_close=pl.col("close_at").shift())
    placed = frame.join(closes, on="session")
    assert placed.height == frame.height
    assert (placed["ts"] <= placed["close_at"]).all()
    assert (placed["ts"] > placed["previous_close"]).all()
    day = days[len(days) // 2]
    assert_frame_equal(provider.fetch("raw.posts", [day]).frame, frame.filter(session=day))
