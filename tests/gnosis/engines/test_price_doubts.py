"""An unconfirmed close lowers the confidence of its own row, says why, and touches nothing else."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from gnosis.engines.price_doubts import CODES, CONFIDENCES, SHARES, with_price_doubts
from gnosis.reasons import REASONS
from gnosis.tables import TABLES

DAY = dt.date(2026, 11, 20)


def rows(table, reasons=""):
    key = pl.DataFrame({"session": [DAY, DAY], "symbol": ["AAA", "BBB"]})
    return key.with_columns(*(pl.lit(0.8).alias(name) for name in CONFIDENCES[table]), reasons=pl.lit(reasons), other=1)


def event(kind, symbol="AAA", table="raw.equity_bars", session=DAY):
    return pl.DataFrame({"session": [session], "symbol": [symbol], "table_name": [table], "kind": [kind]})


@pytest.mark.parametrize("table", CONFIDENCES)
def test_the_lowered_columns_exist_and_can_be_lowered(table):
    columns = TABLES[table].columns
    assert {*CONFIDENCES[table], "reasons"} <= set(columns)
    assert all(TABLES[table].unit(name) == "ratio" for name in CONFIDENCES[table])


@pytest.mark.parametrize("table", CONFIDENCES)
@pytest.mark.parametrize("kind", CODES)
def test_only_the_row_in_doubt_changes(table, kind):
    before = rows(table, "NO_BOOK")
    after = with_price_doubts(before, event(kind), table)
    assert after.columns == before.columns
    assert after.row(1) == before.row(1)
    name = CONFIDENCES[table][0]
    assert after[name][0] == 0.8 * SHARES[kind]
    assert after["reasons"][0] == f"NO_BOOK,{CODES[kind]}"


def test_the_worse_doubt_counts_once_and_both_are_named():
    both = pl.concat([event("unverified"), event("price_disagreement")])
    after = with_price_doubts(rows("engines.sentiment"), both, "engines.sentiment")
    assert after["sent_confidence"].to_list() == [0.8 * SHARES["unverified"], 0.8]
    assert after["reasons"].to_list() == ["CLOSE_UNVERIFIED,CLOSE_DISPUTED", ""]


@pytest.mark.parametrize(
    "other",
    [
        event("missing"),
        event("unverified", table="raw.index_levels"),
        event("unverified", symbol="CCC"),
        event("unverified", session=DAY - dt.timedelta(days=1)),
    ],
)
def test_what_is_not_about_the_close_of_the_row_does_not_matter(other):
    before = rows("engines.sentiment")
    assert with_price_doubts(before, other, "engines.sentiment").equals(before)


def test_a_row_in_doubt_is_unsure_and_the_codes_stand_last():
    assert SHARES["unverified"] < 0.8
    assert list(REASONS)[-2:] == list(CODES.values())
