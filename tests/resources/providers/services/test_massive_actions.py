"""Splits and dividends of Massive, and when they became known."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import polars as pl
import pytest

from resources.providers.live.errors import (
    Transient,
)
from resources.providers.live.service import Ask
from resources.providers.services import make_service
from tests.loopback.cases import SECRET
from tests.loopback.vendors.massive import MassiveVendor


@pytest.fixture
def vendor(loopback, world):
    vendor = MassiveVendor(world)
    loopback.serve(vendor)
    return vendor


@pytest.fixture
def service(vendor, access_to):
    return make_service(access_to("massive", keys={"MASSIVE_API_KEY": SECRET}))


def of(loopback, service="massive"):
    return loopback.requests(service)


class TestActions:
    def test_a_dividend_is_known_in_the_evening_of_its_declaration(self, service, world):
        frame = service.fetch(Ask("raw.dividends", ("AAA", "BBB"), world.sessions[-10:])).frame
        told, ex = world.sessions[-8], world.ex_date
        opened = world.calendar.filter(pl.col("session") == ex)["open_at"].item()
        assert frame.select("session", "symbol", "ex_date", "amount_usd").rows() == [
            (told, "AAA", ex, 0.5),
            (ex, "AAA", ex, 0.5),
            (ex, "BBB", ex, 0.5),
        ]
        evening = dt.datetime(told.year, told.month, told.day, 23, tzinfo=dt.UTC)
        assert frame["known_at"].to_list() == [evening, opened, opened]

    def test_a_dividend_of_the_sessions_is_there_however_long_ago_it_was_declared(self, service, world):
        frame = service.fetch(Ask("raw.dividends", ("AAA", "BBB"), world.sessions[-3:])).frame
        assert frame.select("session", "symbol").rows() == [(world.ex_date, "AAA"), (world.ex_date, "BBB")]
        assert service.fetch(Ask("raw.dividends", ("AAA", "BBB"), world.sessions[-2:])).frame.is_empty()

    @pytest.mark.parametrize("n_symbols", [1, 22])
    def test_a_row_has_all_that_was_declared_for_its_ex_date_by_then(self, service, vendor, world, n_symbols):
        days, ex = world.sessions, world.ex_date

        def declared(rows):
            later = [(days[-6], 5.0, "E3"), (days[-2], 7.0, "E4")]
            # The filters of the lists know the world's own rows only.
            if not rows or rows[0]["ticker"] != "AAA":
                return rows
            return [rows[0], *(rows[0] | {"declaration_date": f"{d}", "cash_amount": a, "id": i} for d, a, i in later)]

        vendor.changed = declared
        symbols = ("AAA", *(f"Q{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTU"))[:n_symbols]
        found = service.fetch(Ask("raw.dividends", symbols, days[-10:])).frame.filter(pl.col("symbol") == "AAA")
        # What was declared after the ex-date is late: nobody knew it when the share fell.
        assert found.select("session", "amount_usd").rows() == [
            (days[-8], 0.5), (days[-6], 5.5), (ex, 5.5), (days[-2], 12.5)
        ]  # fmt: skip
        assert found["ex_date"].unique().to_list() == [ex]

    def test_what_is_declared_ahead_is_asked_for_by_symbol(self, service, vendor, world, loopback):
        symbols = ("AAA", *(f"Q{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTU"))
        told = world.sessions[-8]
        vendor.changed = lambda rows: [
            *rows, *(row | {"id": "E0", "declaration_date": "2026-10-02", "cash_amount": 2.0}
                     for row in rows if row["ticker"] == "AAA")
        ]  # fmt: skip
        found = service.fetch(Ask("raw.dividends", symbols, (told,))).frame
        assert [request.query.get("ticker") for request in of(loopback)] == [None, None, "AAA"]
        assert found.select("session", "symbol", "amount_usd").rows() == [(told, "AAA", 2.5)]

    def test_what_is_declared_on_the_ex_date_is_one_row_known_in_the_evening(self, service, vendor, world):
        ex = world.ex_date
        vendor.changed = lambda rows: [row | {"declaration_date": f"{ex}"} for row in rows]
        (row,) = service.fetch(Ask("raw.dividends", ("AAA",), world.sessions[-10:])).frame.rows(named=True)
        assert (row["session"], row["amount_usd"]) == (ex, 0.5)
        assert row["known_at"] == dt.datetime(ex.year, ex.month, ex.day, 23, tzinfo=dt.UTC)

    def test_a_split_that_is_told_twice_counts_once_and_two_of_a_day_are_one_step(self, service, vendor, world):
        def more(rows):
            return [*rows, rows[0] | {"id": "E7"}, rows[0] | {"id": "E8", "split_from": 20, "split_to": 1}]

        vendor.changed = more
        assert service.fetch(Ask("raw.splits", ("AAA",), world.sessions[-10:])).frame["ratio"].to_list() == [0.1]

    def test_what_is_received_before_the_evening_is_known_on_receipt(self, vendor, world, access_to):
        told = world.calendar.row(by_predicate=pl.col("session") == world.sessions[-8], named=True)
        access = replace(access_to("massive", keys={"MASSIVE_API_KEY": SECRET}), clock=lambda: told["close_at"])
        frame = make_service(access).fetch(Ask("raw.dividends", ("AAA",), world.sessions[-8:-7])).frame
        assert frame["known_at"].to_list() == [told["close_at"]]

    def test_dividends_of_one_day_add_up_and_foreign_ones_are_set_aside(self, service, vendor, world):
        special = {"id": "E9", "cash_amount": 1.25, "dividend_type": "SC"}
        abroad = {"id": "E8", "currency": "EUR"}
        vendor.changed = lambda rows: [*rows, rows[0] | special, rows[0] | abroad]
        answer = service.fetch(Ask("raw.dividends", ("AAA",), world.sessions[-10:]))
        assert answer.frame["amount_usd"].to_list() == [1.75, 1.75]
        assert answer.rejected["rule"].to_list() == ["currency|not_usd"]

    def test_a_declaration_at_a_weekend_belongs_to_the_next_session(self, service, vendor, world):
        vendor.changed = lambda rows: [rows[0] | {"declaration_date": "2026-11-14"}]
        frame = service.fetch(Ask("raw.dividends", ("AAA",), (dt.date(2026, 11, 16),))).frame
        assert frame["session"].to_list() == [dt.date(2026, 11, 16)]
        assert frame["known_at"].to_list() == [dt.datetime(2026, 11, 14, 23, tzinfo=dt.UTC)]

    def test_a_split_is_known_when_its_day_opens(self, service, world):
        (row,) = service.fetch(Ask("raw.splits", ("AAA",), world.sessions[-10:])).frame.rows(named=True)
        opened = world.calendar.filter(pl.col("session") == world.split_date)["open_at"].item()
        assert (row["session"], row["ex_date"], row["ratio"]) == (world.split_date, world.split_date, 2.0)
        assert row["known_at"] == opened

    @pytest.mark.parametrize("table", ["raw.splits", "raw.dividends"])
    def test_many_symbols_are_found_in_the_lists_of_the_market(self, service, world, loopback, table):
        few, many = ("AAA", "BBB"), ("AAA", "BBB", *(f"Q{letter}" for letter in "ABCDEFGHIJKLMNOPQRST"))
        alone = pl.concat([service.fetch(Ask(table, (symbol,), world.sessions[-10:])).frame for symbol in few])
        loopback.log.clear()
        found = service.fetch(Ask(table, many, world.sessions[-10:])).frame
        assert len(of(loopback)) <= 2
        assert all(request.query["limit"] == "1000" for request in of(loopback))
        assert found.equals(alone.sort("session", "symbol", "ex_date"))

    def test_a_service_that_is_down_is_transient(self, service, world, loopback):
        loopback.set_mode("massive", "503")
        with pytest.raises(Transient):
            service.fetch(Ask("raw.dividends", ("AAA",), world.sessions[-10:]))
