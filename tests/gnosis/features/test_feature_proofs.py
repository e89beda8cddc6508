"""The proofs catch features that leak, however they do it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

import polars as pl
import pytest

from gnosis.features.proofs import nightly_proof, poison_proof, sample_pairs, truncation_proof
from gnosis.features.registry import BY_NAME, lookback_of
from tests.gnosis.features.engine_market import market_tables
from tests.gnosis.features.worlds import TARGETS, World, engine_world, library_world, names_of

pytestmark = pytest.mark.xdist_group("engine_market")

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


def of_bars(**columns: pl.Expr) -> Callable[[Tables], dict[str, pl.DataFrame]]:
    """Return a change of the daily bars, made before features are computed from them."""

    def change(tables: Tables) -> dict[str, pl.DataFrame]:
        bars = tables["raw.equity_bars"].sort("symbol", "session").with_columns(**columns)
        return {**tables, "raw.equity_bars": bars.with_columns(pl.col("close").clip(lower_bound=0.01))}

    return change


def published_at_once(table: str, instant: pl.Expr) -> Callable[[Tables], dict[str, pl.DataFrame]]:
    """Return a change that takes rows for known before they were."""
    return lambda tables: {**tables, table: tables[table].with_columns(known_at=instant)}


def own(expression: pl.Expr) -> pl.Expr:
    return expression.over("symbol", order_by="session")


CLOSE, VOLUME = pl.col("close"), pl.col("volume")
AT_THE_CLOSE = pl.col("session").cast(pl.Datetime("us")).dt.offset_by("20h").dt.replace_time_zone("UTC")
A_MONTH_EARLY = pl.col("known_at") - dt.timedelta(days=30)
WITH_THE_NEXT = (CLOSE + own(CLOSE.shift(-1)).fill_null(CLOSE)) / 2
CENTRED = own(CLOSE.rolling_mean(3, center=True, min_samples=1))
SCALED = CLOSE / CLOSE.std().over("symbol") + 100.0
BARELY_SMOOTHED = own(VOLUME.fill_null(1e6).ewm_mean(alpha=0.002, adjust=False))
LEAKING: dict[str, tuple[str, str, Callable[[Tables], dict[str, pl.DataFrame]]]] = {
    "technical: close of the next session": ("technical", "tech_roc_5", of_bars(close=WITH_THE_NEXT)),
    "technical: centred mean": ("technical", "tech_macd_histogram", of_bars(close=CENTRED)),
    "technical: score over the whole history": ("technical", "tech_atr", of_bars(close=SCALED)),
    "macro: publication without its lag": (
        "macro",
        "macro_inflation_rate",
        published_at_once("raw.macro", A_MONTH_EARLY),
    ),
    "sentiment: close of the next session": ("sentiment", "sent_stoch_k", of_bars(close=WITH_THE_NEXT)),
    "sentiment: centred mean": ("sentiment", "sent_rsi", of_bars(close=CENTRED)),
    "liquidity: score over the whole history": ("liquidity", "liq_amihud", of_bars(close=SCALED)),
    "liquidity: file of the evening at the close": (
        "liquidity",
        "liq_short_volume_ratio",
        published_at_once("raw.short_volume", AT_THE_CLOSE),
    ),
    "hedge: mean volume of three sessions on either side": (
        "hedge",
        "hedge_gamma_pressure",
        of_bars(volume=own(VOLUME.rolling_mean(7, center=True, min_samples=1))),
    ),
}
"""Group, a feature that must be caught, and how its function comes to see the future."""
BLIND_TO_IT = {
    # What reads nothing that was changed must not be blamed.
    "sentiment": "sent_wsb_score",
    "liquidity": "liq_iceberg_alert",
    "hedge": "hedge_confidence",
}
RECURSION = of_bars(close=CLOSE * own(VOLUME.fill_null(1e6).cum_sum()) ** 0.01, volume=BARELY_SMOOTHED)
NEVER_ENDING = {"technical": "tech_roc_5", "hedge": "hedge_gamma_pressure", "liquidity": "liq_amihud"}


@pytest.fixture(scope="module")
def world_of(market: Tables) -> Callable[[str], World]:
    def world(group: str) -> World:
        if group in ("technical", "macro"):
            return library_world(group, market, ("PLAIN",))
        return engine_world(group, market_tables())

    return world


def pairs_of(world: World) -> pl.DataFrame:
    rows = world.tables["raw.equity_bars"].filter(pl.col("symbol").is_in(world.symbols))
    return rows.filter(pl.col("session").is_in(TARGETS[:3])) if len(world.symbols) > 1 else rows[-90:-6:12]


@pytest.mark.parametrize("proof", [truncation_proof, poison_proof])
@pytest.mark.parametrize("leak", LEAKING)
def test_group_that_leaks_is_caught(proof: Callable, leak: str, world_of: Callable) -> None:
    group, feature, change = LEAKING[leak]
    world = world_of(group)
    names = [feature, BLIND_TO_IT[group]] if group in BLIND_TO_IT else [feature]

    def leaking(tables: Tables) -> pl.DataFrame:
        return world.compute(change(tables))

    found = proof(leaking, world.tables, pairs_of(world), names)
    assert found["n_pairs"][0] >= 6
    assert found["n_failures"][0] > 0
    assert found["n_failures"][1:].sum() == 0


@pytest.mark.parametrize("group", NEVER_ENDING)
def test_group_that_remembers_everything_is_caught(group: str, world_of: Callable) -> None:
    """A recursion over all that is loaded: no future in it, but a night is not what a backfill gives."""
    world, names = world_of(group), [NEVER_ENDING[group]]
    assert set(names) <= set(names_of(group))

    def unending(compute: Callable[[Tables], pl.DataFrame]) -> Callable[[Tables], pl.DataFrame]:
        return lambda tables: compute(RECURSION(tables))

    given = (world.tables, pairs_of(world))
    lookback = BY_NAME[names[0]].lookback_sessions
    honest = nightly_proof(world.compute, *given, lookback, names, night=world.night)
    assert honest["n_failures"].sum() == 0
    for kept in (lookback, lookback_of(group)):
        found = nightly_proof(unending(world.compute), *given, kept, names, night=unending(world.night))
        assert found["n_failures"][0] == found["n_pairs"][0] >= 6
    assert truncation_proof(unending(world.compute), *given, names)["n_failures"].sum() == 0


def test_one_night_by_itself_is_compared_with_the_backfill(world_of: Callable) -> None:
    world = world_of("liquidity")

    def wrong_night(tables: Tables) -> pl.DataFrame:
        return world.night(tables).with_columns(pl.col("liq_amihud") * 1.01)

    names = ["liq_amihud", "liq_score"]
    found = nightly_proof(world.compute, world.tables, pairs_of(world), 320, names, night=wrong_night)
    assert found["n_failures"].to_list() == [9, 0]
