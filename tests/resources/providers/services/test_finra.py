"""What is special about FINRA: fractions, lines that are no rows, and one status for late, gone and refused."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnosis.sessions import sessions_between
from resources.providers.live.errors import EmptyResult, EntitlementError, NotFound, SchemaDrift, Transient
from resources.providers.live.service import Ask
from resources.providers.services import make_service
from resources.providers.services.finra import KEPT_SESSIONS, market_rows
from tests.loopback.vendors.finra import HEADER, FinraVendor

TABLE = "raw.short_volume"
SYMBOLS = ("AAA", "BBB", "BRK.B")


@pytest.fixture
def vendor(world, loopback):
    made = FinraVendor(world)
    loopback.serve(made)
    return made


@pytest.fixture
def finra(vendor, access_to):
    return make_service(access_to("finra"))


def at(service, now):
    return make_service(replace(service.access, clock=lambda: now))


def test_fractions_of_shares_stay(finra, vendor, world):
    frame = finra.fetch(Ask(TABLE, SYMBOLS, (world.today,))).frame
    volumes = ["symbol", "short_volume", "short_exempt_volume", "total_volume"]
    assert frame.select(volumes).equals(vendor.volumes(world.today).select(volumes).sort("symbol"))
    assert (frame["total_volume"] % 1 != 0).any()


def test_volumes_are_known_at_six_in_the_evening(finra, world):
    summer = world.sessions[0]
    known = [finra.fetch(Ask(TABLE, SYMBOLS, (day,))).frame["known_at"][0] for day in (summer, world.today)]
    assert [at.isoformat()[11:] for at in known] == ["22:00:00+00:00", "23:00:00+00:00"]


def test_one_request_brings_the_whole_market_and_names_its_client(finra, world, loopback):
    finra.fetch(Ask(TABLE, SYMBOLS, (world.today,)))
    (request,) = loopback.requests("finra")
    assert request.path == f"/equity/regsho/daily/CNMSshvol{world.today:%Y%m%d}.txt"
    assert request.headers["user-agent"].startswith("gnosis")


@pytest.mark.parametrize("end", ["{n}", "{day}|Total|9999999.000000|0|99999999.500000|", ""])
def test_a_count_or_a_total_at_the_end_is_no_row(finra, vendor, world, end):
    vendor.end = end
    answer = finra.fetch(Ask(TABLE, SYMBOLS, (world.today,)))
    assert answer.frame["symbol"].to_list() == list(SYMBOLS)
    assert answer.rejected.is_empty()


def test_what_is_no_row_is_kept_with_its_rule(finra, vendor, world):
    day = f"{world.today:%Y%m%d}"
    vendor.more = ["", f"{day}|CCC|0|0|0|Q", f"{day}|DDD|n/a|0|5|Q", f"{day}|EEE|1|5|Q"]
    answer = finra.fetch(Ask(TABLE, (*SYMBOLS, "CCC", "DDD", "EEE"), (world.today,)))
    assert answer.frame["symbol"].to_list() == list(SYMBOLS)
    assert answer.rejected["rule"].to_list() == ["number_of_fields", "total_volume|zero", "short_volume|readable"]
    assert {symbol: type(error) for symbol, error in answer.failures.items()} == dict.fromkeys(
        ("CCC", "DDD", "EEE"), EmptyResult
    )


def test_rows_of_symbols_that_are_not_asked_for_are_not_judged(finra, vendor, world):
    vendor.more = [f"{world.today:%Y%m%d}|ABRpD|0|0|0|N"]
    assert finra.fetch(Ask(TABLE, ("AAA",), (world.today,))).rejected.is_empty()


def test_a_file_of_another_day_is_not_relabelled(finra, vendor, world):
    vendor.more = [f"{world.sessions[-2]:%Y%m%d}|CCC|1|0|2|Q"]
    with pytest.raises(SchemaDrift, match=f"rows of {world.today} only"):
        finra.fetch(Ask(TABLE, SYMBOLS, (world.today,)))


def test_a_symbol_that_is_no_share_is_named(finra, world):
    answer = finra.fetch(Ask(TABLE, ("AAA", "^VIX"), (world.today,)))
    assert isinstance(answer.failures["^VIX"], NotFound)


def test_before_the_evening_nothing_is_asked(finra, world, loopback):
    afternoon = at(finra, world.now.replace(hour=22, minute=59))
    with pytest.raises(EmptyResult, match="evening has not come"):
        afternoon.fetch(Ask(TABLE, SYMBOLS, (world.today,)))
    assert loopback.requests("finra") == []


@pytest.mark.parametrize("status", ["403", "404"])
def test_a_missing_file_is_late_on_its_own_evening_and_gone_later(finra, world, loopback, status):
    loopback.set_mode("finra", status)
    with pytest.raises(Transient, match="late"):
        finra.fetch(Ask(TABLE, SYMBOLS, (world.today,)))
    with pytest.raises(NotFound, match="no longer keeps"):
        finra.fetch(Ask(TABLE, SYMBOLS, (world.sessions[-2],)))


def test_a_refusal_by_country_is_not_taken_for_a_late_file(finra, world, loopback):
    loopback.set_mode("finra", "451")
    with pytest.raises(EntitlementError):
        finra.fetch(Ask(TABLE, SYMBOLS, (world.today,)))


def test_the_probe_takes_the_last_file_that_is_due(finra, vendor, world, loopback):
    assert finra.probe().delay_s == 30 * 60
    afternoon = at(finra, world.now.replace(hour=22, minute=0))
    assert str(world.sessions[-2]) in afternoon.probe().detail


def test_kept_sessions_reach_to_the_earliest_file_that_was_seen():
    assert len(sessions_between(dt.date(2019, 1, 2), dt.date(2026, 7, 31))) >= KEPT_SESSIONS


VOLUME = st.integers(0, 10**12).map(lambda millionths: millionths / 1e6)


@given(st.lists(st.tuples(VOLUME, VOLUME, VOLUME), min_size=1, max_size=8), st.booleans(), st.booleans())
def test_a_file_comes_back_whatever_its_line_ends(rows, has_count, is_windows):
    day = dt.date(2026, 7, 31)
    lines = [f"20260731|S{n}|{row[0]:.6f}|{row[1]:.6f}|{row[2]:.6f}|B,Q" for n, row in enumerate(rows)]
    end = "\r\n" if is_windows else "\n"
    content = end.join([HEADER, *lines, *([str(len(rows))] if has_count else []), ""]).encode()
    market, broken = market_rows(content, day, "short volume", "finra")
    volumes = market.select(pl.col("ShortVolume", "ShortExemptVolume", "TotalVolume").cast(pl.Float64))
    assert volumes.rows() == rows
    assert broken.is_empty()


@pytest.mark.real_data
def test_real_volumes_of_funds_come_back(shared_data):
    file = shared_data / "positioning" / "finra_short_volume_gme_etfs_2010_2021.parquet"
    day = dt.date(2021, 1, 27)
    names = ["Short Volume", "Short Exempt Volume", "Total Volume"]
    symbol = pl.col("Symbol").cast(pl.String)
    real = pl.read_parquet(file).filter(pl.col("Date").dt.date() == day).group_by(symbol).agg(pl.col(names).sum())
    assert real.height > 10
    lines = [f"20210127|{'|'.join(str(value) for value in row)}|B,Q,N" for row in real.rows()]
    market, _ = market_rows("\n".join([HEADER, *lines, ""]).encode(), day, "short volume", "finra")
    assert market.select("Symbol", pl.col("ShortVolume", "ShortExemptVolume", "TotalVolume").cast(pl.Int64)).rows() == (
        real.rows()
    )
