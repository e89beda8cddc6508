"""Serving parity: one bit of one answer is seen, whatever column it is in."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from gnosis.learning.evidence import Parity
from gnosis.learning.serving_parity import ANSWERS, serving_parity
from gnosis.tables import TABLES

TABLE = TABLES["models.predictions"]
NUMBERS = [name for name in ANSWERS if TABLE.polars_schema[name] == pl.Float64]


def predictions():
    at = dt.datetime(2024, 1, 10, 21, tzinfo=dt.UTC)
    rows = [
        dict.fromkeys(TABLE.polars_schema)
        | {"session": dt.date(2024, 1, day), "symbol": symbol, "horizon_bars": 5, "as_of": at, "known_at": at}
        | {"feature_row_sha256": f"{day}{symbol}", "model_version": "v", "n_missing": 3}
        | {name: 0.0 if name == "r_hat" else 0.25 for name in NUMBERS if name != "p_meta"}
        for day in range(1, 8)
        for symbol in ("A", "B")
    ]
    return pl.DataFrame(rows, schema=TABLE.polars_schema)


STORED = predictions()
IS_LAST = (pl.col("session") == dt.date(2024, 1, 7)) & (pl.col("symbol") == "B")


def changed(name, value):
    return STORED.with_columns(
        pl.when(IS_LAST).then(pl.lit(value, TABLE.polars_schema[name])).otherwise(name).alias(name)
    )


def test_equal_rows_of_the_last_five_sessions():
    assert serving_parity(STORED, STORED.reverse()) == Parity(5, 10, 0, 0)


@pytest.mark.parametrize("name", NUMBERS)
def test_one_bit_of_any_answer_is_seen(name):
    next_one = {"r_hat": -0.0, "p_meta": 0.0}.get(name, 0.25000000000000006)
    assert serving_parity(STORED, changed(name, next_one)) == Parity(5, 10, 0, 1)


@pytest.mark.parametrize(
    ("name", "value"), [("model_version", "w"), ("n_missing", 4), ("abstain_reason", "ood"), ("p_up", None)]
)
def test_another_answer_is_seen(name, value):
    assert serving_parity(STORED, changed(name, value)) == Parity(5, 10, 0, 1)


def test_another_feature_row_is_seen():
    assert serving_parity(STORED, changed("feature_row_sha256", "other")) == Parity(5, 10, 1, 0)


def test_what_is_about_the_run_is_left_out():
    assert serving_parity(STORED, changed("code_sha256", "other")) == Parity(5, 10, 0, 0)


def test_a_row_that_one_side_lacks_differs():
    assert serving_parity(STORED, STORED.filter(~IS_LAST)) == Parity(5, 10, 1, 1)
    assert serving_parity(STORED.filter(~IS_LAST), STORED) == Parity(5, 10, 1, 1)


def test_earlier_sessions_do_not_count():
    before = STORED.with_columns(p_up=pl.when(pl.col("session") < dt.date(2024, 1, 3)).then(0.5).otherwise("p_up"))
    assert serving_parity(STORED, before) == Parity(5, 10, 0, 0)


def test_few_sessions_say_so():
    assert serving_parity(STORED.tail(4), STORED).sessions == 2
