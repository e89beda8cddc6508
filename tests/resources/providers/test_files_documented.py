"""What the document says about tables within the day and texts: its example is served as it is printed there."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import polars as pl
import pytest

from gnosis.sessions import sessions_between
from gnosis.tables import TABLES
from resources.providers.files import FilesProvider
from resources.providers.rejections import SET_ASIDE

DOCUMENTS = Path(__file__).parents[3] / "docs"
THU, FRI, MON = dt.date(2013, 1, 3), dt.date(2013, 1, 4), dt.date(2013, 1, 7)


@pytest.fixture
def provider(tmp_path) -> FilesProvider:
    text = (DOCUMENTS / "your-own-data.md").read_text()
    snippets = re.findall(r"^```\w+ within-the-day/(\S+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert len(snippets) == 9
    for name, content in snippets:
        (tmp_path / name).write_text(content)
    return FilesProvider(tmp_path)


def test_every_table_of_the_example_is_served(provider):
    for table in sorted(provider.tables):
        fetched = provider.fetch(table, [THU, FRI])
        assert not fetched.frame.is_empty(), table
        assert TABLES[table].schema.filter(fetched.frame)[1].counts() == {}, table
        assert fetched.rejected["rule"].to_list() == (["outside_regular_session"] if "intraday" in table else []), table


def test_the_example_says_what_the_rules_say(provider):
    def at(hour: int, minute: int) -> dt.datetime:
        return dt.datetime(2013, 1, 3, hour, minute, tzinfo=dt.UTC)

    assert provider.fetch("raw.intraday_bars", [THU]).frame["ts"].to_list() == [at(14, 35), at(14, 40)]
    assert provider.fetch("raw.order_books", [THU]).frame["ts"].unique().to_list() == [at(20, 30)]
    assert provider.fetch("raw.trades", [THU, FRI]).frame["trade_id"].to_list() == ["1"]
    shorts = provider.fetch("raw.short_volume", [THU]).frame
    assert shorts.select("short_volume", "total_volume", "known_at").row(0) == (20_000.0, 45_000.0, at(23, 0))
    posts = provider.fetch("raw.posts", [THU, FRI]).frame
    # The post of 15:59 was known at 16:04.
    assert posts["session"].unique().to_list() == [FRI]
    news = provider.fetch("raw.news", [THU, FRI]).frame
    assert news["session"].unique().to_list() == [FRI]
    assert news["event_id"].to_list().count("AAA-2012Q4") == 2


def test_rules_of_rows_without_a_place_are_listed():
    text = (DOCUMENTS / "your-own-data.md").read_text()
    assert ", ".join("`" + rule.replace("|", "\\|") + "`" for rule in SET_ASIDE) in text


@pytest.mark.real_data
def test_the_example_on_real_files(shared_data, tmp_path):
    example = (DOCUMENTS / "examples" / "real_books_and_texts.yaml").read_text()
    (tmp_path / "gnosis.yaml").write_text(example.replace("PATH_OF_THE_DATA", str(shared_data)))
    provider = FilesProvider(tmp_path)
    days = [dt.date(2012, 6, 21), *sessions_between(dt.date(2015, 6, 1), dt.date(2015, 6, 4)), dt.date(2020, 9, 1)]
    days.append(dt.date(2021, 4, 19))
    rows = {table: provider.fetch(table, days) for table in provider.tables}
    for table, fetched in rows.items():
        assert TABLES[table].schema.filter(fetched.frame.unique())[1].counts() == {}, table
        assert fetched.rejected.is_empty()
    books = rows["raw.order_books"].frame.group_by("session", "symbol").agg(pl.col("ts").n_unique()).sort("symbol")
    assert books.rows() == [
        (dt.date(2012, 6, 21), "AAPL", 879),
        (dt.date(2020, 9, 1), "BTCUSDT", 10),
        (dt.date(2021, 4, 19), "DASH-BTC", 30),
        (dt.date(2021, 4, 19), "OMG-USD", 30),
        (dt.date(2021, 4, 19), "SKL-USD", 30),
        (dt.date(2021, 4, 19), "XMR-USD", 29),
    ]
    assert set(rows["raw.posts"].frame["session"]) == set(days[1:5])
    assert rows["raw.dix"].frame.height == len(days)
