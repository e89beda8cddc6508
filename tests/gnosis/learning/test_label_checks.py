"""Checks of stored labels: section 15."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from gnosis.learning.label_checks import ambiguous_share, differing_labels, label_faults
from gnosis.learning.labels import labels
from gnosis.tables import TABLES
from tests.gnosis.learning.daily_bars import walk_bars

BARS = walk_bars(120, 31, spread=0.02)
LAST = BARS["session"][-1]
KNOWN = labels(BARS)


def test_labels_have_no_fault() -> None:
    assert label_faults(KNOWN, LAST).is_empty()
    assert label_faults(KNOWN.lazy(), LAST).is_empty()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"session": pl.lit(LAST + dt.timedelta(days=1))}, "filed before its outcome was known"),
        ({"signal_session": pl.col("session")}, "not horizon_bars sessions after its decision"),
        ({"signal_session": pl.lit(dt.date(2014, 1, 4))}, "not horizon_bars sessions after its decision"),
        ({"t0": pl.col("t1")}, "t1 not after t0"),
        ({"known_at": pl.col("t0")}, "known before t1"),
        ({"barrier_t1": pl.col("t0")}, "barrier_t1 not after t0"),
        ({"barrier_t1": pl.col("t1") + pl.duration(days=1)}, "barrier_t1 after t1"),
        ({"y_dir": pl.lit(0, pl.Int8), "reason": pl.lit("gap")}, "y_dir and reason both or neither"),
        ({"barrier_outcome": pl.lit(None, pl.Int8)}, "barrier_outcome and barrier_reason both or neither"),
        ({"side": pl.lit(None, pl.Int8), "y_meta": pl.lit(0, pl.Int8)}, "y_meta without side or barrier_outcome"),
    ],
)
def test_each_fault_is_found(change: dict, fault: str) -> None:
    one = KNOWN.filter(pl.col("y_meta").is_not_null()).head(1)
    found = label_faults(one.with_columns(**change), LAST)
    assert (fault, 1) in found.rows()


def test_share_of_ambiguous_bars() -> None:
    shares = ambiguous_share(KNOWN)
    assert shares.select("symbol", "horizon_bars").rows() == [("ABC", 1), ("ABC", 5), ("ABC", 20)]
    for _, h, n_met, n_ambiguous, share in shares.iter_rows():
        part = KNOWN.filter(horizon_bars=h)
        torn = part.filter(pl.col("barrier_reason") == "ambiguous_bar").height
        assert (n_met, n_ambiguous) == (part["barrier_outcome"].count() + torn, torn)
        assert share == pytest.approx(torn / n_met)
    assert shares["n_ambiguous"][0] > 5
    warming = ambiguous_share(KNOWN.filter(pl.col("barrier_reason") == "warmup_sigma", horizon_bars=1))
    assert warming.row(0) == ("ABC", 1, 0, 0, None)


def test_labels_made_again_from_truncated_bars() -> None:
    cut = BARS["session"][100]
    past = pl.col("session") <= cut
    again = labels(BARS.filter(past))
    assert differing_labels(KNOWN.filter(past), again).is_empty()
    number = pl.int_range(pl.len())
    moved = again.with_columns(
        y_ret=pl.col("y_ret") * pl.when(number == 7).then(1 + 2**-52).otherwise(1.0),
        provider=pl.when(number == 90).then(pl.lit("other")).otherwise("provider"),
    )
    key = TABLES["models.labels"].key
    assert differing_labels(KNOWN.filter(past), moved).equals(again[[7, 90]].select(key))
    lacking = differing_labels(KNOWN.filter(past), again.tail(-3))
    assert lacking.equals(again.head(3).select(key))
