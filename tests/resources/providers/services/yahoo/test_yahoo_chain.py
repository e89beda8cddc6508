"""What a chain of Yahoo must not be believed."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from gnosis.sessions import shift_session
from resources.providers.live.errors import (
    EmptyResult,
    SchemaDrift,
)
from resources.providers.live.service import Ask
from tests.loopback.vendors import yahoo as vendor_module
from tests.loopback.vendors.yahoo import (
    LONG_AGO,
    OPTIONS,
    ask_of,
    paths,
)


class TestChain:
    def ask(self, world):
        return ask_of(world, last=1, table="raw.option_quotes")

    def test_units_instants_and_requests(self, yahoo, world, loopback):
        frame = yahoo.fetch(self.ask(world)).frame
        columns = ["expiry", "right", "strike", "bid", "ask", "volume", "open_interest"]
        assert (
            frame.with_columns(pl.col("right").cast(pl.String))
            .select(columns)
            .sort(columns[:3])
            .equals(world.chain.select(columns))
        )
        assert frame["ts"].unique().to_list() == [world.quoted_at]
        assert frame["known_at"].unique().to_list() == [world.now]
        assert frame["oi_session"].unique().to_list() == [shift_session(world.today, -1)]
        assert frame["spot"].unique().to_list() == [world.spot("AAA")]
        assert frame["multiplier"].unique().to_list() == [100.0]
        assert set(frame.select("root", "settlement", "style").cast(pl.String).rows()) == {("AAA", "pm", "A")}
        assert sum(path.startswith(OPTIONS) for path in paths(loopback)) == world.chain["expiry"].n_unique()

    def spoil(self, vendor, monkeypatch, **columns):
        contracts = vendor.contracts
        monkeypatch.setattr(vendor, "contracts", lambda: contracts().with_columns(**columns))

    def test_open_interest_that_is_zero_throughout_is_unknown(self, yahoo, world, vendor, monkeypatch):
        self.spoil(vendor, monkeypatch, openInterest=0)
        frame = yahoo.fetch(self.ask(world)).frame
        assert frame["open_interest"].null_count() == frame["oi_session"].null_count() == frame.height

    def test_a_single_zero_is_a_value(self, yahoo, world, vendor, monkeypatch):
        is_high = pl.col("strike") == pl.col("strike").max()
        self.spoil(vendor, monkeypatch, openInterest=pl.when(is_high).then(0).otherwise("openInterest"))
        frame = yahoo.fetch(self.ask(world)).frame
        assert frame["open_interest"].null_count() == 0
        assert (frame["open_interest"] == 0).any()

    def test_open_interest_of_a_later_morning_is_not_that_of_the_quotes(self, vendor, world, service_at):
        monday = dt.datetime(2024, 11, 25, 14, 0, tzinfo=dt.UTC)
        frame = service_at(monday).fetch(self.ask(world)).frame
        assert frame["session"].unique().to_list() == [world.today]
        assert frame["open_interest"].null_count() == frame.height

    def test_no_bid_is_zero_and_no_ask_is_unknown(self, yahoo, world, vendor, monkeypatch):
        none = pl.col("right") == "P"
        self.spoil(vendor, monkeypatch, **{name: pl.when(none).then(0.0).otherwise(name) for name in ("bid", "ask")})
        puts = yahoo.fetch(self.ask(world)).frame.filter(pl.col("right") == "P")
        assert set(puts["bid"]) == {0.0}
        assert puts["ask"].null_count() == puts.height

    @pytest.mark.parametrize("none", [0.0, None])
    def test_a_chain_without_a_single_quote_is_empty(self, yahoo, world, vendor, monkeypatch, none):
        unquoted = pl.lit(none, dtype=pl.Float64)
        self.spoil(vendor, monkeypatch, bid=0.0, ask=pl.when(pl.col("right") == "P").then(unquoted).otherwise(0.0))
        with pytest.raises(EmptyResult, match="no bid and no ask above 0"):
            yahoo.fetch(self.ask(world))

    def test_volume_of_an_earlier_session_is_not_taken(self, yahoo, world, vendor, monkeypatch):
        self.spoil(vendor, monkeypatch, lastTradeDate=pl.lit(int(LONG_AGO.timestamp()) - 3 * 86400))
        frame = yahoo.fetch(self.ask(world)).frame
        assert frame["volume"].null_count() == frame.height

    @pytest.mark.parametrize(
        ("column", "value", "rule"),
        [
            ("contractSymbol", "AAA-odd", "contract|unreadable"),
            ("contractSymbol", "BBB241129C00100000", "contract|other_underlying"),
            ("strike", 1.0, "strike|not_of_the_contract"),
            ("contractSize", "MINI", "contract_size|not_regular"),
            ("currency", "CAD", "currency|not_usd"),
        ],
    )
    def test_odd_contracts_are_set_aside(self, yahoo, world, vendor, monkeypatch, column, value, rule):
        is_first = pl.int_range(pl.len()) == 0
        self.spoil(vendor, monkeypatch, **{column: pl.when(is_first).then(pl.lit(value)).otherwise(column)})
        answer = yahoo.fetch(self.ask(world))
        assert answer.rejected["rule"].to_list() == [rule]
        assert answer.frame.height == world.chain.height - 1

    def test_a_field_that_is_gone_is_named(self, yahoo, world, vendor, monkeypatch):
        self.spoil(vendor, monkeypatch, bid=pl.lit(None))
        with pytest.raises(SchemaDrift, match="expected bid"):
            yahoo.fetch(self.ask(world))

    def test_a_spot_that_is_gone_is_named(self, yahoo, world, vendor, monkeypatch):
        monkeypatch.setattr(vendor, "underlying", lambda: {"regularMarketTime": 1})
        with pytest.raises(SchemaDrift, match=r"quote\.regularMarketPrice"):
            yahoo.fetch(self.ask(world))

    def test_an_answer_of_another_kind_is_not_an_empty_chain(self, yahoo, world, vendor, monkeypatch):
        monkeypatch.setattr(vendor, "_options", lambda *_: vendor_module.Response.of_json({"finance": {}}))
        with pytest.raises(SchemaDrift, match="optionChain"):
            yahoo.fetch(self.ask(world))

    @pytest.mark.parametrize("mode", ["truncated", "wrong_types", "html"])
    def test_a_spoilt_answer_is_drift(self, yahoo, world, loopback, mode):
        loopback.set_mode("yahoo", mode, path=OPTIONS)
        with pytest.raises(SchemaDrift):
            yahoo.fetch(self.ask(world))

    def test_an_earlier_session_is_not_to_be_had(self, yahoo, world):
        with pytest.raises(EmptyResult, match=f"quotes of {world.today}"):
            yahoo.fetch(Ask("raw.option_quotes", ("AAA",), world.sessions[-3:-1]))
