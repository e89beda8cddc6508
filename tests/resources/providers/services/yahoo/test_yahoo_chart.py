"""What Yahoo divides by later splits, and what it leaves out."""

from __future__ import annotations

import datetime as dt
import json

import polars as pl
import pytest

from gnosis.sessions import NEW_YORK
from resources.providers.live.errors import (
    EmptyResult,
    NotFound,
    SchemaDrift,
)
from resources.providers.live.service import Ask
from tests.loopback.vendors import yahoo as vendor_module
from tests.loopback.vendors.yahoo import (
    LONG_AGO,
    YahooVendor,
    as_in_world,
    ask_of,
)
from tests.loopback.world import World


class TestBars:
    def test_prices_are_as_traded_across_a_split(self, yahoo, world, loopback):
        frame = yahoo.fetch(ask_of(world)).frame
        wanted = world.bars.filter(pl.col("symbol") == "AAA").tail(10)
        assert as_in_world(frame).equals(as_in_world(wanted))
        assert frame["adjustment_factor"].null_count() == 10
        assert frame["ts"].to_list() == frame["known_at"].to_list() == wanted["close_at"].to_list()

    def test_prices_keep_the_dividends_that_yahoo_takes_out_of_the_adjusted_ones(self, yahoo, world):
        frame = yahoo.fetch(ask_of(world)).frame
        told = json.loads(yahoo.access.recorder.sources[-1].content)["chart"]["result"][0]["indicators"]
        (lowered,), (quote,) = told["adjclose"], told["quote"]
        is_before = [day < world.ex_date for day in frame["session"]]
        assert [a < c for a, c in zip(lowered["adjclose"], quote["close"], strict=True)] == is_before
        truth = world.bars.filter(pl.col("symbol") == "AAA").tail(10)
        for name in ("open", "high", "low", "close"):
            assert frame[name].to_list() == pytest.approx(truth[name].to_list(), rel=1e-12)

    def test_a_split_that_is_told_twice_counts_once_and_two_of_a_day_are_one_step(
        self, yahoo, world, vendor, monkeypatch
    ):
        chart = vendor._events

        def events(*arguments):
            (split,) = chart(*arguments)["splits"].values()
            more = [split, dict(split), split | {"numerator": 1.0, "denominator": 4.0}]
            return {"splits": {str(n): row for n, row in enumerate(more)}}

        monkeypatch.setattr(vendor, "_events", events)
        assert yahoo.fetch(ask_of(world, table="raw.splits")).frame["ratio"].to_list() == [0.5]

    def test_a_range_that_ends_before_the_split_too(self, yahoo, world, loopback):
        before = tuple(day for day in world.sessions if day < world.split_date)[-3:]
        frame = yahoo.fetch(Ask("raw.equity_bars", ("AAA",), before)).frame
        assert as_in_world(frame).equals(
            as_in_world(world.bars.filter(pl.col("symbol") == "AAA", pl.col("session").is_in(before)))
        )
        end = dt.datetime.fromtimestamp(int(loopback.requests("yahoo")[-1].query["period2"]), NEW_YORK)
        assert end.date() == LONG_AGO.date() + dt.timedelta(days=1)

    def test_a_split_on_a_day_without_bar_counts_from_that_day(self, yahoo, world, vendor, monkeypatch):
        rows = vendor.rows
        monkeypatch.setattr(vendor, "rows", lambda symbol: rows(symbol).filter(pl.col("session") != world.split_date))
        frame = yahoo.fetch(ask_of(world)).frame
        wanted = world.bars.filter(pl.col("symbol") == "AAA", pl.col("session") != world.split_date).tail(9)
        assert as_in_world(frame).equals(as_in_world(wanted))

    @pytest.mark.parametrize(("after_close_s", "is_whole"), [(-3600, False), (300, False), (900, True)])
    def test_the_bar_of_today_counts_when_the_delay_is_over(self, loopback, world, service_at, after_close_s, is_whole):
        now = world.calendar["close_at"][-1] + dt.timedelta(seconds=after_close_s)
        loopback.serve(YahooVendor(World(now)))
        service = service_at(now)
        frame = service.fetch(Ask("raw.equity_bars", ("BBB",), world.sessions[-3:])).frame
        assert frame["session"].to_list() == list(world.sessions[-3:] if is_whole else world.sessions[-3:-1])
        if not is_whole:
            with pytest.raises(EmptyResult, match="no finished bar"):
                service.fetch(Ask("raw.equity_bars", ("BBB",), world.sessions[-1:]))

    def test_rows_without_a_value_are_set_aside(self, yahoo, world, vendor, monkeypatch):
        rows, days = vendor.rows, world.sessions[-3:]
        holiday = dt.date(2024, 11, 17)

        def spoilt(symbol):
            table = rows(symbol).with_columns(
                volume=pl.when(pl.col("session").is_in([days[0], days[2]])).then(None).otherwise("volume"),
                high=pl.when(pl.col("session") == days[1]).then(None).otherwise("high"),
                **{
                    name: pl.when(pl.col("session") == days[2]).then(None).otherwise(name)
                    for name in ("open", "low", "close")
                },
            )
            table = table.with_columns(high=pl.when(pl.col("session") == days[2]).then(None).otherwise("high"))
            odd = table.tail(5).head(1).with_columns(session=pl.lit(holiday))
            at = pl.lit(dt.datetime(2024, 11, 17, 15, tzinfo=dt.UTC)).cast(pl.Datetime("us", "UTC"))
            return pl.concat([table, odd.with_columns(open_at=at)]).sort("open_at")

        monkeypatch.setattr(vendor, "rows", spoilt)
        answer = yahoo.fetch(ask_of(world, "BBB", last=8))
        assert answer.frame.filter(pl.col("session") == days[0])["volume"].to_list() == [None]
        assert not set(answer.frame["session"]) & {*days[1:], holiday}
        assert set(answer.rejected.select("session", "rule").rows()) == {
            (dt.date(2024, 11, 18), "not_a_session"),
            (days[1], "price|missing"),
            (days[2], "value|nullability"),
        }

    def test_levels_of_chicago_have_the_session_of_new_york_and_no_volume(self, yahoo, world):
        frame = yahoo.fetch(ask_of(world, "^VIX", last=5, table="raw.index_levels")).frame
        wanted = world.levels.filter(pl.col("symbol") == "^VIX").tail(5)
        columns = ["session", "open", "high", "low", "close"]
        assert frame.select(columns).equals(wanted.select(columns))
        assert (frame["ts"] - wanted["close_at"]).unique().to_list() == [dt.timedelta(minutes=15)]
        assert "volume" not in frame.columns

    @pytest.mark.parametrize(("after_close_s", "n_levels"), [(1799, 1), (1800, 2)])
    def test_the_vix_of_today_counts_a_quarter_of_an_hour_later(
        self, loopback, world, service_at, after_close_s, n_levels
    ):
        now = world.calendar["close_at"][-1] + dt.timedelta(seconds=after_close_s)
        loopback.serve(YahooVendor(World(now)))
        assert service_at(now).fetch(ask_of(world, "^VIX", 2, "raw.index_levels")).frame.height == n_levels

    @pytest.mark.parametrize(
        ("field", "value", "match"), [("currency", "GBp", "GBp"), ("instrumentType", "MUTUALFUND", "MUTUALFUND")]
    )
    def test_another_instrument_of_this_name_is_not_taken(self, yahoo, world, vendor, monkeypatch, field, value, match):
        meta = vendor.meta
        monkeypatch.setattr(vendor, "meta", lambda symbol: meta(symbol) | {field: value})
        with pytest.raises(NotFound, match=match):
            yahoo.fetch(ask_of(world))


class TestEvents:
    def test_a_split_is_known_when_its_day_opens(self, yahoo, world):
        row = yahoo.fetch(ask_of(world, table="raw.splits")).frame.row(0, named=True)
        opens = world.calendar.filter(pl.col("session") == world.split_date)["open_at"].item()
        assert (row["session"], row["ex_date"], row["ratio"], row["known_at"]) == (
            world.split_date, world.split_date, 2.0, opens,
        )  # fmt: skip

    def test_a_dividend_is_per_share_of_its_day(self, yahoo, world, vendor, monkeypatch):
        early = world.sessions[-8]
        paid = [{"date": early, "amount": 0.6}, {"date": world.ex_date, "amount": 0.5}]
        monkeypatch.setattr(vendor, "dividends", lambda _: paid)
        frame = yahoo.fetch(ask_of(world, table="raw.dividends")).frame
        assert frame.select("session", "ex_date", "amount_usd").rows() == [
            (early, early, 0.6),
            (world.ex_date, world.ex_date, 0.5),
        ]

    def test_a_dividend_in_another_currency_is_no_dollars(self, yahoo, world, vendor, monkeypatch):
        paid = [{"date": world.ex_date, "amount": 0.5, "currency": "CAD"}]
        monkeypatch.setattr(vendor, "dividends", lambda _: paid)
        answer = yahoo.fetch(ask_of(world, table="raw.dividends"))
        assert answer.frame.is_empty()
        assert answer.rejected["rule"].to_list() == ["currency|not_usd"]

    def test_only_events_of_the_sessions_asked_for(self, yahoo, world):
        assert yahoo.fetch(ask_of(world, last=2, table="raw.dividends")).frame.is_empty()
        assert yahoo.fetch(ask_of(world, last=2, table="raw.splits")).frame.is_empty()

    def test_before_the_open_of_its_day_it_is_not_known(self, vendor, world, service_at):
        opens = world.calendar.filter(pl.col("session") == world.ex_date)["open_at"].item()
        ask = Ask("raw.dividends", ("AAA",), (world.ex_date,))
        assert service_at(opens - dt.timedelta(minutes=1)).fetch(ask).frame.is_empty()
        assert service_at(opens).fetch(ask).frame.height == 1

    def test_a_reason_against_the_symbol_is_not_an_answer_without_events(self, yahoo, world, vendor, monkeypatch):
        answer = vendor_module.Response.of_json({"chart": {"result": None, "error": {"description": "delisted"}}})
        monkeypatch.setattr(vendor, "_chart", lambda *_: answer)
        with pytest.raises(EmptyResult, match="delisted"):
            yahoo.fetch(ask_of(world, table="raw.dividends"))

    def test_a_malformed_event_is_named(self, yahoo, world, vendor, monkeypatch):
        monkeypatch.setattr(
            vendor, "_events", lambda *_: {"splits": {"1": {"date": 1731940200, "numerator": 2, "denominator": None}}}
        )
        with pytest.raises(SchemaDrift):
            yahoo.fetch(ask_of(world, table="raw.splits"))


def test_probe_says_of_when_the_last_price_is(yahoo):
    probe = yahoo.probe()
    assert probe.delay_s == 9000.0 - 1.0
    assert "2024-11-22 21:00" in probe.detail
