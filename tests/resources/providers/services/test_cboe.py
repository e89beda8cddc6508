"""What is special about Cboe: two clocks, snapshots of now, roots that share a chain, and files that are cut off."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import polars as pl
import pytest

from gnosis.sessions import NEW_YORK
from gnosis.symbols import format_contracts
from resources.providers.live.allowance import Allowance
from resources.providers.live.errors import (
    BudgetExhausted,
    EmptyResult,
    EntitlementError,
    NotFound,
    SchemaDrift,
    Transient,
)
from resources.providers.live.service import Ask
from resources.providers.services import make_service
from resources.providers.services.cboe_chain import chain_rows, spot_of
from tests.loopback.vendors.cboe import CboeVendor

QUOTES = "raw.option_quotes"
LEVELS = "raw.index_levels"


@pytest.fixture
def vendor(world, loopback):
    made = CboeVendor(world)
    loopback.serve(made)
    return made


@pytest.fixture
def cboe(vendor, access_to):
    return make_service(access_to("cboe"))


def at(service, now):
    """Return the same service at another time."""
    return make_service(replace(service.access, clock=lambda: now))


class TestChain:
    def test_the_market_clock_is_the_quote_instant_and_the_receipt_is_when_it_was_known(self, cboe, vendor, world):
        frame = cboe.fetch(Ask(QUOTES, ("AAA",), (world.today,))).frame
        assert set(frame["ts"]) == {world.quoted_at}
        assert set(frame["known_at"]) == {world.now}
        assert vendor.made_at not in set(frame["ts"]) | set(frame["known_at"])

    def test_values_are_those_of_the_document(self, cboe, world):
        frame = cboe.fetch(Ask(QUOTES, ("AAA",), (world.today,))).frame
        columns = ["expiry", "right", "strike", "bid", "ask", "bid_size", "ask_size", "volume", "open_interest"]
        found = frame.select(columns).with_columns(pl.col("right").cast(pl.String))
        assert found.equals(world.chain.select(columns).sort("expiry", "right", "strike"))
        assert set(frame["multiplier"]) == {100.0}
        assert set(frame["spot"]) == {world.spot("AAA")}
        assert set(frame["oi_session"]) == {world.sessions[-2]}

    def test_a_market_clock_in_utc_would_lie_in_the_future_and_is_refused(self, cboe, vendor, world):
        vendor.header["last_trade_time"] = f"{world.quoted_at:%Y-%m-%dT%H:%M:%S}"
        with pytest.raises(SchemaDrift, match="zones have changed"):
            cboe.fetch(Ask(QUOTES, ("AAA",), (world.today,)))

    @pytest.mark.parametrize("wall", ["2026-11-20T15:30:00-05:00", "yesterday", 20.0])
    def test_a_market_clock_of_another_form_is_refused(self, cboe, vendor, world, wall):
        vendor.header["last_trade_time"] = wall
        with pytest.raises(SchemaDrift, match="last_trade_time"):
            cboe.fetch(Ask(QUOTES, ("AAA",), (world.today,)))

    def test_quotes_after_the_close_are_those_of_the_close(self, cboe, vendor, world):
        close = world.calendar["close_at"][-1]
        vendor.header["last_trade_time"] = f"{close.astimezone(NEW_YORK):%Y-%m-%d}T16:14:59"
        vendor.made_at = close + dt.timedelta(minutes=30)
        # The share trades on after the close: only the close is its price at the instant of the quotes.
        vendor.header |= {"current_price": 90.0, "close": 101.25}
        frame = cboe.fetch(Ask(QUOTES, ("AAA",), (world.today,))).frame
        assert set(frame["ts"]) == {close}
        assert set(frame["spot"]) == {101.25}

    def test_without_the_close_quotes_of_the_close_have_no_spot(self, cboe, vendor, world):
        close = world.calendar["close_at"][-1]
        vendor.header |= {
            "last_trade_time": f"{close.astimezone(NEW_YORK):%Y-%m-%d}T16:14:59",
            "bid": 99.0,
            "ask": 101.0,
        }
        vendor.made_at = close + dt.timedelta(minutes=30)
        with pytest.raises(EmptyResult, match="price of the underlying"):
            cboe.fetch(Ask(QUOTES, ("AAA",), (world.today,)))

    def test_a_chain_of_another_session_is_not_relabelled(self, cboe, vendor, world):
        vendor.market_at = world.calendar["close_at"][-2] - dt.timedelta(minutes=1)
        with pytest.raises(EmptyResult, match=f"found that of the session {world.sessions[-2]}"):
            cboe.fetch(Ask(QUOTES, ("AAA",), (world.today,)))

    def test_open_interest_is_of_no_known_session_once_the_day_is_over(self, cboe, world):
        monday = at(cboe, world.now + dt.timedelta(days=2, hours=13))
        frame = monday.fetch(Ask(QUOTES, ("AAA",), (world.today,))).frame
        assert frame.select(pl.all_horizontal(pl.col("open_interest", "oi_session").is_null()).all()).item()

    @pytest.mark.parametrize(("table", "symbol"), [(QUOTES, "ZZZ"), (LEVELS, "^NDX")])
    def test_the_403_of_a_file_that_is_not_there_is_not_one_of_the_service(self, cboe, world, table, symbol):
        with pytest.raises(NotFound, match="HTTP 403"):
            cboe.fetch(Ask(table, (symbol,), (world.today,)))

    @pytest.mark.parametrize(("mode", "symbol"), [("402", "AAA"), ("451", "AAA"), ("403", "^VIX")])
    def test_other_refusals_stay_those_of_the_service(self, cboe, world, loopback, mode, symbol):
        loopback.set_mode("cboe", mode)
        with pytest.raises(EntitlementError):
            cboe.fetch(Ask(LEVELS if symbol == "^VIX" else QUOTES, (symbol,), (world.today,)))

    @pytest.mark.parametrize("symbol", ["SPX", "^GSPC"])
    def test_both_roots_of_an_index_come_in_one_document_and_stay_apart(self, cboe, world, loopback, symbol):
        frame = cboe.fetch(Ask(QUOTES, (symbol,), (world.today,))).frame
        assert [request.path for request in loopback.requests("cboe")] == [
            "/api/global/delayed_quotes/options/_SPX.json"
        ]
        terms = frame.select("symbol", "root", pl.col("settlement", "style").cast(pl.String)).unique().sort("root")
        assert terms.rows() == [("SPX", "SPX", "am", "E"), ("SPX", "SPXW", "pm", "E")]
        assert frame.height == 2 * world.chain.height

    def test_the_same_chain_is_pulled_once_in_a_quarter_of_an_hour(self, cboe, world, loopback):
        ask = Ask(QUOTES, ("AAA",), (world.today,))
        now = [world.now]
        patient = make_service(replace(cboe.access, clock=lambda: now[0]))
        patient.fetch(ask)
        now[0] += dt.timedelta(minutes=4)
        with pytest.raises(BudgetExhausted) as raised:
            patient.fetch(ask)
        assert raised.value.retry_after == 11 * 60
        assert len(loopback.requests("cboe")) == 1
        now[0] += dt.timedelta(minutes=11)
        assert not patient.fetch(ask).frame.is_empty()

    def test_processes_of_a_home_pull_it_once_together(self, cboe, world, loopback, tmp_path):
        ask = Ask(QUOTES, ("AAA",), (world.today,))
        homes = [tmp_path / "home", tmp_path / "home", tmp_path / "other"]
        allowances = [Allowance(home / "allowances.sqlite", "cboe") for home in homes]
        first, second, stranger = (make_service(replace(cboe.access, allowance=each)) for each in allowances)
        first.fetch(ask)
        with pytest.raises(BudgetExhausted, match="one pull per 15 minutes"):
            second.fetch(ask)
        assert not stranger.fetch(ask).frame.is_empty()
        assert len(loopback.requests("cboe")) == 2
        for each in allowances:
            each.close()

    def test_a_pull_that_failed_may_be_repeated_at_once(self, cboe, world, loopback):
        loopback.set_mode("cboe", "503", times=1)
        ask = Ask(QUOTES, ("AAA",), (world.today,))
        with pytest.raises(Transient):
            cboe.fetch(ask)
        assert not cboe.fetch(ask).frame.is_empty()

    def test_what_does_not_fit_is_kept_with_its_rule(self, cboe, vendor, world):
        good = vendor.chains["AAA"]
        wrong = [
            good[0] | {"option": "AAA261399C00100000"},
            good[0] | {"option": good[0]["option"].replace("AAA", "AAA1")},
            good[1] | {"ask": "n/a"},
        ]
        vendor.chains["AAA"] = [*wrong, *good[2:]]
        answer = cboe.fetch(Ask(QUOTES, ("AAA",), (world.today,)))
        assert answer.rejected["rule"].to_list() == ["option|readable", "option|other_chain", "ask|readable"]
        assert set(answer.rejected["session"]) == {world.today}
        assert answer.frame.height == len(good) - 2

    @pytest.mark.parametrize("field", ["bid", "ask", "volume", "open_interest", "option"])
    def test_a_missing_field_is_named(self, cboe, vendor, world, field):
        vendor.chains["AAA"] = [
            {name: value for name, value in row.items() if name != field} for row in vendor.chains["AAA"]
        ]
        with pytest.raises(SchemaDrift, match=f"field {field}"):
            cboe.fetch(Ask(QUOTES, ("AAA",), (world.today,)))

    def test_without_sizes_they_are_not_known(self):
        option = {"option": "AAA261218C00100000", "bid": 1.4, "ask": 1.6, "volume": 10.0, "open_interest": 1500.0}
        data = {"current_price": 100.0, "last_trade_time": "2026-11-20T15:00:12", "options": [option]}
        received = dt.datetime(2026, 11, 20, 20, 16, tzinfo=dt.UTC)
        _, frame, _ = chain_rows({"timestamp": "2026-11-20 20:15:40", "data": data}, "AAA", received, "cboe")
        assert frame.select("bid", "bid_size", "ask_size").rows() == [(1.4, None, None)]

    @pytest.mark.parametrize(
        ("header", "spot"),
        [
            ({"current_price": 7.0, "close": 8.0, "bid": 9.0, "ask": 11.0}, 7.0),
            ({"current_price": 0.0, "close": 8.0, "bid": 9.0, "ask": 11.0}, 8.0),
            ({"current_price": None, "bid": 9.0, "ask": 11.0}, 10.0),
        ],
    )
    def test_spot_is_the_price_then_the_close_then_the_mid(self, header, spot):
        assert spot_of(header, "the chain of AAA", "cboe", at_close=False) == spot

    def test_a_one_sided_quote_is_no_spot(self):
        with pytest.raises(EmptyResult, match="price of the underlying"):
            spot_of(
                {"current_price": 0.0, "close": 0.0, "bid": 0.0, "ask": 11.0},
                "the chain of AAA",
                "cboe",
                at_close=False,
            )

    def test_a_price_that_is_a_word_is_drift(self):
        with pytest.raises(SchemaDrift, match=r"data\.close"):
            spot_of({"current_price": 0.0, "close": "n/a"}, "the chain of AAA", "cboe", at_close=False)


class TestLevels:
    def test_vix_is_known_when_it_closes_with_its_range(self, cboe, world, loopback):
        frame = cboe.fetch(Ask(LEVELS, ("^VIX",), world.sessions[-3:])).frame
        known = world.levels.filter(pl.col("symbol") == "^VIX").tail(3)
        columns = ["session", "open", "high", "low", "close"]
        assert frame.select(columns).equals(known.select(columns))
        closes = [at + dt.timedelta(minutes=15) for at in known["close_at"]]
        assert frame["known_at"].to_list() == frame["ts"].to_list() == closes
        assert [request.path for request in loopback.requests("cboe")] == [
            "/api/global/us_indices/daily_prices/VIX_History.csv"
        ]

    def test_half_a_line_at_the_end_is_not_a_level(self, cboe, vendor, world, monkeypatch):
        whole = vendor._vix(False)
        monkeypatch.setattr(vendor, "_vix", lambda _: whole[:-2])
        assert cboe.fetch(Ask(LEVELS, ("^VIX",), world.sessions[-3:])).frame["session"].to_list() == list(
            world.sessions[-3:-1]
        )
        with pytest.raises(SchemaDrift, match="half a line"):
            cboe.fetch(Ask(LEVELS, ("^VIX",), world.sessions[-1:]))

    def test_a_session_that_is_not_in_the_file_yet_is_empty(self, cboe, vendor, world, monkeypatch):
        whole = vendor._vix(False)
        monkeypatch.setattr(vendor, "_vix", lambda _: b"\n".join(whole.split(b"\n")[:-2]) + b"\n")
        with pytest.raises(EmptyResult, match="no row"):
            cboe.fetch(Ask(LEVELS, ("^VIX",), world.sessions[-1:]))

    def test_a_wrong_cell_is_kept_under_its_session(self, cboe, vendor, world, monkeypatch):
        whole = vendor._vix(False).replace(f"{world.sessions[-2]:%m/%d/%Y}".encode(), b"Friday")
        monkeypatch.setattr(vendor, "_vix", lambda _: whole)
        answer = cboe.fetch(Ask(LEVELS, ("^VIX",), world.sessions[-3:]))
        assert answer.frame.height == 2
        assert answer.rejected.select("session", "rule").rows() == [(world.sessions[-3], "session|readable")]

    def test_zero_is_an_unknown_level_and_text_is_a_number(self, cboe, vendor, world, monkeypatch):
        day = str(world.today)
        row = {"date": day, "open": "0.0000", "high": "5010.5", "low": 0, "close": "5000.25", "volume": "0"}
        monkeypatch.setattr(vendor, "_history", lambda _: [row])
        frame = cboe.fetch(Ask(LEVELS, ("^GSPC",), (world.today,))).frame
        assert frame.select("open", "high", "low", "close").rows() == [(None, 5010.5, None, 5000.25)]

    def test_a_level_of_a_running_session_is_not_taken(self, cboe, world):
        running = at(cboe, world.calendar["close_at"][-1] - dt.timedelta(minutes=1))
        frame = running.fetch(Ask(LEVELS, ("^GSPC",), world.sessions[-2:])).frame
        assert frame["session"].to_list() == [world.sessions[-2]]

    def test_the_vix_runs_a_quarter_of_an_hour_longer(self, cboe, world):
        close = world.calendar["close_at"][-1]
        for after, n_levels in ((14, 1), (15, 2)):
            frame = (
                at(cboe, close + dt.timedelta(minutes=after)).fetch(Ask(LEVELS, ("^VIX",), world.sessions[-2:])).frame
            )
            assert frame.height == n_levels

    def test_a_holiday_is_set_aside_under_the_session_after_it(self, cboe, vendor, world, monkeypatch):
        rows = vendor._history("_SPX")
        rows[-3]["date"] = "2026-11-15"
        monkeypatch.setattr(vendor, "_history", lambda _: rows)
        answer = cboe.fetch(Ask(LEVELS, ("^GSPC",), (dt.date(2026, 11, 16), world.today)))
        assert answer.rejected.select("session", "rule").rows() == [(dt.date(2026, 11, 16), "not_a_session")]

    def test_one_unknown_index_does_not_hold_back_the_others(self, cboe, world):
        answer = cboe.fetch(Ask(LEVELS, ("^IXIC", "^NDX", "^VIX"), (world.today,)))
        assert answer.frame["symbol"].to_list() == ["^VIX"]
        assert isinstance(answer.failures["^IXIC"], NotFound)
        assert set(answer.failures) == {"^IXIC", "^NDX"}


def test_probe_tells_the_age_of_the_quote_and_not_of_the_file(cboe, world):
    assert cboe.probe().delay_s == (world.now - world.quoted_at).total_seconds()


@pytest.mark.real_data
def test_a_real_chain_of_two_roots_comes_back_whole(shared_data):
    file = shared_data / "options" / "spx_cboe_chain_daily_2019-04-25_2019-07-22.parquet"
    day = dt.date(2019, 6, 21)
    quotes = pl.scan_parquet(file).filter(pl.col("quote_date").dt.date() == day).collect()
    contracts = quotes.select(
        pl.col("root", "right").cast(pl.String),
        pl.col("expiration").dt.date().alias("expiry"),
        pl.col("strike", "bid", "ask", "volume", "open_interest").cast(pl.Float64),
    )
    options = contracts.with_columns(option=format_contracts(contracts)).drop("root", "expiry", "right", "strike")
    header = {"current_price": quotes["spot"][0], "last_trade_time": "2019-06-21T15:44:00"}
    document = {"timestamp": "2019-06-21 19:59:00", "data": header | {"options": options.to_dicts()}}
    received = dt.datetime(2019, 6, 21, 20, 0, tzinfo=dt.UTC)
    session, frame, rejected = chain_rows(document, "SPX", received, "cboe")
    assert session == day
    assert rejected.is_empty()
    columns = ["expiry", "right", "strike", "root", "bid", "ask", "volume", "open_interest"]
    key = columns[:4]
    found = frame.select(columns).with_columns(pl.col("right").cast(pl.String))
    assert found.sort(key).equals(contracts.select(columns).sort(key))
    assert frame.group_by("expiry").agg(pl.col("settlement").n_unique())["settlement"].max() == 2
