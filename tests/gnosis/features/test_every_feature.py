"""What must hold for every feature of the registry, whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal, assert_series_equal

from gnosis.features.proofs import nightly_proof, poison_proof, sample_pairs, truncation_proof
from gnosis.features.registry import FEATURES, Feature, lookback_of
from gnosis.sessions import shift_session
from gnosis.tables import TABLES

Tables = Mapping[str, pl.DataFrame]
Compute = dict[str, Callable[[Tables], pl.DataFrame]]
GROUPS = ("technical", "regime", "macro")
PROVEN_PAIRS = 36


@pytest.fixture(scope="module")
def proofs(market: Tables, compute: Compute, computed: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Every proof of every column, over a sample of rows whose whole lookback lies inside the market."""
    rows = computed["technical"]
    recent = rows.filter(pl.col("session") > rows["session"].unique().sort()[lookback_of("regime")])
    pairs = sample_pairs(recent, PROVEN_PAIRS, seed=5)
    return pl.concat(
        proof
        for group in GROUPS
        for proof in (
            truncation_proof(compute[group], market, pairs),
            poison_proof(compute[group], market, pairs, seed=9),
            nightly_proof(compute[group], market, pairs, lookback_of(group)),
        )
    )


@pytest.fixture(scope="module")
def variants(market: Tables, compute: Compute) -> dict[str, dict[str, pl.DataFrame]]:
    """The plain symbol's features from bars that say the same in another way, per variant and group."""
    bars = market["raw.equity_bars"].filter(pl.col("symbol") == "PLAIN")
    prices = pl.col("open", "high", "low", "close")
    after = pl.col("session") >= bars["session"][600]
    told = {
        "plain": bars,
        "split": bars.with_columns(
            pl.when(after).then(prices / 4.0).otherwise(prices),
            volume=pl.when(after).then(pl.col("volume") * 4.0).otherwise("volume"),
            adjustment_factor=pl.when(after).then(4.0).otherwise(1.0),
        ),
        "eight times the price": bars.with_columns(prices * 8.0),
        "1.7 times the price": bars.with_columns(prices * 1.7),
        "renamed": bars.with_columns(symbol=pl.lit("ZZZ")),
        "alone": bars,
    }
    company = market["raw.equity_bars"].filter(pl.col("symbol") != "PLAIN")
    return {
        name: {
            group: compute[group](
                {**market, "raw.equity_bars": own if name == "alone" else pl.concat([company, own])}
            ).filter(pl.col("symbol") == own["symbol"][0])
            for group in GROUPS
        }
        for name, own in told.items()
    }


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
class TestEveryFeature:
    def test_dtype_unit_and_description(self, feature: Feature, computed: dict[str, pl.DataFrame]) -> None:
        table = TABLES[f"features.{feature.group}"]
        expected = pl.Enum(feature.categories) if feature.dtype == "category" else pl.Float64()
        assert computed[feature.group].schema[feature.name] == expected == table.polars_schema[feature.name]
        assert table.unit(feature.name) == feature.unit
        assert table.description(feature.name) == feature.description
        assert feature.description.endswith(".")

    def test_has_values_that_vary(self, feature: Feature, computed: dict[str, pl.DataFrame]) -> None:
        values = computed[feature.group][feature.name].drop_nulls()
        assert values.len() > 100
        # A daily bar always ends in the regular session.
        assert values.n_unique() > 1 or feature.name == "regime_session"

    def test_range(self, feature: Feature, computed: dict[str, pl.DataFrame]) -> None:
        values = computed[feature.group][feature.name].drop_nulls()
        if feature.dtype == "category":
            assert set(values.cast(pl.String)) <= set(feature.categories)
            return
        assert values.is_finite().all()
        if feature.low is not None:
            assert ((values > feature.low) if feature.is_low_open else (values >= feature.low)).all()
        if feature.high is not None:
            assert (values <= feature.high).all()

    def test_null_only_while_history_is_short(self, feature: Feature, computed: dict[str, pl.DataFrame]) -> None:
        values = computed[feature.group].filter(pl.col("symbol") == "PLAIN")[feature.name]
        warm_up = feature.fewest_sessions - 1
        if feature.inputs[0].startswith("raw.equity_bars"):
            assert values[:warm_up].null_count() == warm_up
            assert values[warm_up:].null_count() == 0
        elif feature.group == "regime":
            # The indices lack four sessions late in the sample, never three in a row that were known.
            assert values[:warm_up].null_count() == warm_up
            assert values[warm_up:550].null_count() == 0

    def test_lookback_is_exact(self, feature: Feature, market: Tables, compute: Compute, computed: dict) -> None:
        full = computed[feature.group].filter(pl.col("symbol") == "PLAIN")
        last = full["session"][-1]

        def with_sessions(count: int) -> pl.Series:
            first = shift_session(last, 1 - count)
            short = {name: rows.filter(pl.col("session") >= first) for name, rows in market.items()}
            # Features of the market need the bar of the session itself, however little is known of the indices.
            short["raw.equity_bars"] = market["raw.equity_bars"].filter(
                (pl.col("session") >= first) | (pl.col("session") == last)
            )
            row = compute[feature.group](short).filter(pl.col("symbol") == "PLAIN", pl.col("session") == last)
            return row[feature.name]

        assert_series_equal(with_sessions(feature.lookback_sessions), full[feature.name].tail(1), check_exact=True)
        # How old an observation may be is held by the tests of the macro features.
        if feature.group != "macro":
            assert with_sessions(feature.fewest_sessions).null_count() == 0
            assert feature.fewest_sessions == 1 or with_sessions(feature.fewest_sessions - 1).null_count() == 1

    @pytest.mark.parametrize("proof", ["truncation", "poison", "nightly"])
    def test_proof(self, feature: Feature, proof: str, proofs: pl.DataFrame) -> None:
        found = proofs.filter(pl.col("feature") == feature.name, pl.col("proof") == proof).row(0, named=True)
        assert found["n_pairs"] == PROVEN_PAIRS
        assert found["n_nulls"] < 0.8 * found["n_pairs"]
        assert found["n_failures"] == 0

    @pytest.mark.parametrize("variant", ["split", "eight times the price", "renamed", "alone"])
    def test_invariant_to_the_bit(self, feature: Feature, variant: str, variants: dict) -> None:
        plain, told = variants["plain"][feature.group], variants[variant][feature.group]
        assert_series_equal(told[feature.name], plain[feature.name], check_exact=True)

    def test_invariant_to_the_price_level(self, feature: Feature, variants: dict) -> None:
        plain, told = (variants[name][feature.group][feature.name] for name in ("plain", "1.7 times the price"))
        if feature.dtype == "category":
            assert_series_equal(told, plain)
        else:
            assert_series_equal(told, plain, rel_tol=1e-9, abs_tol=1e-10)


@pytest.mark.parametrize("group", GROUPS)
class TestEveryGroup:
    def test_rows_are_those_of_the_bars_and_valid(self, group: str, market: Tables, computed: dict) -> None:
        table, rows = TABLES[f"features.{group}"], computed[group]
        assert rows.schema == table.polars_schema
        table.schema.validate(rows)
        bars = market["raw.equity_bars"].select("session", "symbol", as_of="known_at", known_at="known_at")
        assert_frame_equal(rows.select(bars.columns), bars.sort("session", "symbol"))

    def test_provenance_proofs(self, group: str, market: Tables, compute: Compute, proofs: pl.DataFrame) -> None:
        columns = ["as_of", "known_at", "provider", "synthetic"]
        own = compute[group]
        pairs = sample_pairs(own(market).tail(400), 12, seed=3)
        for proof in (truncation_proof(own, market, pairs, columns), poison_proof(own, market, pairs, columns)):
            assert proof["n_failures"].sum() == 0
        assert proofs.filter(pl.col("feature").is_in(columns))["n_failures"].sum() == 0

    def test_row_order_does_not_matter(self, group: str, market: Tables, compute: Compute, computed: dict) -> None:
        shuffled = {name: rows[np.random.default_rng(1).permutation(rows.height)] for name, rows in market.items()}
        assert_frame_equal(compute[group](shuffled), computed[group], check_exact=True)

    def test_no_bars_no_rows(self, group: str, market: Tables, compute: Compute) -> None:
        empty = {**market, "raw.equity_bars": market["raw.equity_bars"].clear()}
        assert_frame_equal(compute[group](empty), TABLES[f"features.{group}"].empty())
