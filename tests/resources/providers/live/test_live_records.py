"""Records read field by field: nothing is made up, and one bad record does not take the others with it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.providers.live.access import Access
from resources.providers.live.errors import SchemaDrift
from resources.providers.live.records import Field, read_records

FIELDS = {
    "id": Field("id", int),
    "price": Field("quote.price", float, is_nullable=True),
    "note": Field("note", str, is_optional=True),
}
GOOD = {"id": 1, "quote": {"price": 2}, "note": "text"}
ANY = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=3), st.just("\ud83d"))


def read(*records):
    return read_records(Access("example"), "quotes", list(records), FIELDS)


@pytest.mark.parametrize(
    ("change", "field", "found"),
    [
        ({"id": None}, "id", "null"),
        ({"id": True}, "id", "bool"),
        ({"id": 1.5}, "id", "float"),
        ({"id": "1"}, "id", "str"),
        ({"quote": 3}, "quote.price", "int"),
        ({"quote": {}}, "quote.price", "nothing"),
        ({"quote": {"price": math.nan}}, "quote.price", "nan"),
        ({"quote": {"price": "2"}}, "quote.price", "str"),
        ({"note": 7}, "note", "int"),
        ({"note": "\ud83d"}, "note", "half a character"),
    ],
)
def test_what_is_wrong_is_named(change, field, found):
    rows, malformed = read(GOOD, GOOD | change)
    assert rows.rows() == [(1, 2.0, "text")]
    assert malformed.rows() == [(1, field, found)]
    with pytest.raises(SchemaDrift, match=field):
        read(GOOD | change)


def test_what_may_be_absent_is_null():
    rows, malformed = read({"id": 1, "quote": None}, {"id": 2, "quote": {"price": None}, "note": None})
    assert rows.rows() == [(1, None, None), (2, None, None)]
    assert malformed.is_empty()


@pytest.mark.parametrize("records", [None, {}, "text", 7])
def test_what_is_no_list_is_drift(records):
    with pytest.raises(SchemaDrift, match="quotes as a list"):
        read_records(Access("example"), "quotes", records, FIELDS)


@given(st.lists(st.fixed_dictionaries({}, optional={"id": ANY, "quote": ANY, "note": ANY}), max_size=5))
def test_every_record_is_a_row_as_it_was_or_is_named(records):
    rows, malformed = read(GOOD, *records)
    positions = [n for n in range(len(records) + 1) if n not in set(malformed["position"])]
    assert rows.height + malformed.height == len(records) + 1
    for row, position in zip(rows.iter_rows(named=True), positions, strict=True):
        record = [GOOD, *records][position]
        assert row["id"] == record["id"]
        assert row["note"] == record.get("note")
