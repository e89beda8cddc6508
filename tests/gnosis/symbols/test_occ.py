"""Names of contracts: read, refused, and written back."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnosis.symbols import format_contracts, parse_contracts

contracts = st.builds(
    dict,
    root=st.from_regex(r"[A-Z]{1,5}[0-9]?|[A-Z]{6}", fullmatch=True),
    expiry=st.dates(dt.date(2000, 1, 1), dt.date(2099, 12, 31)),
    right=st.sampled_from("CP"),
    strike=st.integers(1, 99_999_999).map(lambda thousandths: thousandths / 1000),
)
SCHEMA = {"root": pl.String, "expiry": pl.Date, "right": pl.String, "strike": pl.Float64}


@pytest.mark.parametrize("name", ["AAPL  261218C00100000", "AAPL261218C00100000", "O:AAPL261218C00100000"])
def test_the_same_contract_in_three_spellings(name):
    expected = ("AAPL", dt.date(2026, 12, 18), "C", 100.0, False, True)
    assert parse_contracts(pl.Series([name])).row(0) == expected


def test_fractions_of_a_dollar_and_adjusted_roots():
    found = parse_contracts(pl.Series(["SPXW261218P04500500", "AAPL1261218C00012345", "AAPL7 261218C00012345"]))
    assert found["strike"].to_list() == [4500.5, 12.345, 12.345]
    assert found["root"].to_list() == ["SPXW", "AAPL1", "AAPL7"]
    assert found["is_adjusted"].to_list() == [False, True, True]


@pytest.mark.parametrize(
    "text",
    [None, "", "AAPL", "AAPL261318C00100000", "AAPL260230C00100000", "AAPL261218X00100000", "AAPL261218C0010000",
     "AAPL261218C001000000", "AAPL261218C00000000", "AAPL 261218C00100000", "AAPL   261218C00100000",
     " AAPL 261218C00100000", "aapl261218C00100000", "BRK.B261218C00100000", "TOOLONG261218C00100000",
     "1SPX261218C00100000", "261218C00100000", "AAPL12261218C00100000", "O:O:A261218C00100000",
     "AAPL261218C00100000\n"],
)  # fmt: skip
def test_what_is_no_contract_is_null_and_marked(text):
    found = parse_contracts(pl.Series([text], dtype=pl.String))
    assert found.row(0) == (None, None, None, None, None, False)


def test_no_names_give_no_rows_of_the_same_types():
    full, none = parse_contracts(pl.Series(["A261218C00100000"])), parse_contracts(pl.Series([], dtype=pl.String))
    assert (full.schema, none.height) == (none.schema, 0)


@given(st.lists(contracts, min_size=1, max_size=20), st.booleans(), st.sampled_from(["", "O:"]))
def test_written_and_read_again(rows, padded, prefix):
    frame = pl.DataFrame(rows, schema=SCHEMA)
    names = format_contracts(frame, padded=padded, prefix=prefix)
    found = parse_contracts(names)
    assert found.select(frame.columns).equals(frame)
    assert found["is_contract"].all()
    if padded:
        assert set(names.str.len_chars()) == {21 + len(prefix)}


@pytest.mark.parametrize(
    ("field", "value"),
    [("strike", 100.0005), ("strike", 0.0), ("strike", -1.0), ("strike", 100_000.0), ("strike", float("nan")),
     ("strike", None), ("expiry", dt.date(1999, 12, 31)), ("expiry", None), ("root", "TOOLONG"), ("root", "BRK.B"),
     ("right", "X"), ("right", None)],
)  # fmt: skip
def test_a_contract_that_the_name_cannot_hold_has_none(field, value):
    row = {"root": "AAPL", "expiry": dt.date(2026, 12, 18), "right": "C", "strike": 100.0}
    frame = pl.DataFrame([row, row | {field: value}], schema=SCHEMA)
    assert format_contracts(frame).to_list() == ["AAPL261218C00100000", None]


@pytest.mark.real_data
def test_real_names_of_both_roots_are_read(shared_data):
    from resources.providers.files.quotedata import read_quotedata

    file = shared_data / "options" / "spx_quotedata_2022-03-23_es.csv.gz"
    chain, _ = read_quotedata(file, "files")
    written = format_contracts(chain.select("root", "expiry", "strike", pl.col("right").cast(pl.String)))
    again = parse_contracts(written)
    assert again.select("root", "expiry", "strike").equals(chain.select("root", "expiry", "strike"))
    assert written.n_unique() == chain.height == 19_002
