"""The proofs catch features that leak, however they do it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

import polars as pl
import pytest

from gnosis.features.proofs import nightly_proof, poison_proof, sample_pairs, truncation_proof

Tables = Mapping[str, pl.DataFrame]
NEXT = pl.col("close").shift(-1).over("symbol", order_by="session")
OWN = {"as_of": pl.col("known_at")}

LEAKS: dict[str, pl.Expr] = {
    "close of the next session": NEXT,
    "mean of the whole history": pl.col("close").mean().over("symbol"),
    "rank within the whole history": pl.col("close").rank().over("symbol"),
    "score with the standard deviation of the whole history": pl.col("close") / pl.col("close").std().over("symbol"),
    "centred mean": pl.col("close").rolling_mean(3, center=True).over("symbol", order_by="session"),
    "gap filled backwards": pl.when(pl.col("volume") > 1e6)
    .then("volume")
    .fill_null(strategy="backward")
    .over("symbol"),
}


def leaky(expression: pl.Expr) -> Callable[[Tables], pl.DataFrame]:
    def compute(tables: Tables) -> pl.DataFrame:
        rows = tables["raw.equity_bars"].sort("symbol", "session")
        return rows.select("session", "symbol", leak=expression, honest=pl.col("close") * 2.0, **OWN)

    return compute


@pytest.fixture(scope="module")
def bars(market: Tables) -> dict[str, pl.DataFrame]:
    plain = pl.col("symbol").is_in(["PLAIN", "SPLIT"])
    return {"raw.equity_bars": market["raw.equity_bars"].filter(plain)}


@pytest.fixture(scope="module")
def pairs(bars: Tables) -> pl.DataFrame:
    return sample_pairs(bars["raw.equity_bars"], 30, seed=1)


@pytest.mark.parametrize("proof", [truncation_proof, poison_proof])
@pytest.mark.parametrize("leak", LEAKS)
def test_leak_is_caught(proof: Callable, leak: str, bars: Tables, pairs: pl.DataFrame) -> None:
    found = proof(leaky(LEAKS[leak]), bars, pairs, ["leak", "honest"])
    assert found["n_pairs"].to_list() == [30, 30]
    assert found["n_failures"][0] > 5
    assert found["n_failures"][1] == 0


@pytest.mark.parametrize("proof", [truncation_proof, poison_proof])
def test_row_that_was_not_known_yet_is_caught(proof: Callable, market: Tables) -> None:
    """A bar of an earlier session that arrived later belongs to the future as well."""
    bars = market["raw.equity_bars"].filter(pl.col("symbol") == "PLAIN")
    is_late = pl.int_range(pl.len()) == 310
    arrival = pl.col("known_at") + dt.timedelta(days=5)
    late = {"raw.equity_bars": bars.with_columns(known_at=pl.when(is_late).then(arrival).otherwise("known_at"))}
    after = bars[[311, 318]].select("session", "symbol")
    before = pl.col("close").shift(1).over("symbol", order_by="session")
    assert proof(leaky(before), late, after, ["leak"])["n_failures"].to_list() == [1]


def test_history_without_end_is_caught(bars: Tables, pairs: pl.DataFrame) -> None:
    smooth = pl.col("close").ewm_mean(span=12, adjust=False).over("symbol", order_by="session")
    found = nightly_proof(leaky(smooth), bars, pairs, 60, ["leak", "honest"])
    assert found["n_failures"][0] > 20
    assert found["n_failures"][1] == 0
    assert found["proof"].unique().to_list() == ["nightly"]


def test_nulls_are_counted_as_proving_little(bars: Tables, pairs: pl.DataFrame) -> None:
    found = truncation_proof(leaky(pl.lit(None, dtype=pl.Float64)), bars, pairs, ["leak"])
    assert found.row(0, named=True) == {
        "feature": "leak",
        "proof": "truncation",
        "n_pairs": 30,
        "n_nulls": 30,
        "n_failures": 0,
    }


def test_sign_of_zero_is_a_bit() -> None:
    bars = pl.DataFrame({"session": [1], "symbol": ["A"]})

    calls = iter([0.0, -0.0])

    def moody(_: Tables) -> pl.DataFrame:
        return bars.with_columns(as_of=pl.lit(1), known_at=pl.lit(1), value=pl.lit(next(calls)))

    frame = bars.with_columns(known_at=pl.lit(1))
    assert truncation_proof(moody, {"raw.equity_bars": frame}, bars, ["value"])["n_failures"].item() == 1


def test_pair_without_a_row_is_an_error(bars: Tables) -> None:
    pairs = bars["raw.equity_bars"].head(1).select("session", symbol=pl.lit("NONE"))
    with pytest.raises(ValueError, match="expected one row for each of 1 pairs, found 0"):
        truncation_proof(leaky(NEXT), bars, pairs)


def test_no_pairs_prove_nothing(bars: Tables) -> None:
    pairs = bars["raw.equity_bars"].select("session", "symbol").clear()
    assert truncation_proof(leaky(NEXT), bars, pairs)["n_pairs"].sum() == 0


def test_sample_is_reproducible_and_distinct(bars: Tables) -> None:
    rows = bars["raw.equity_bars"]
    assert sample_pairs(rows, 20, seed=4).equals(sample_pairs(rows.reverse(), 20, seed=4))
    assert sample_pairs(rows, 20, seed=4).is_unique().all()
    assert sample_pairs(rows, 10**6, seed=4).height == rows.height
