"""Ideas as a whole: no look into the future, one night equals many, and known truths."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from gnosis.learning.triple_barrier import LOWER_WIDTH, UPPER_WIDTH
from gnosis.tables import TABLES
from gnosis.trading.caps import SizingLimits
from gnosis.trading.ideas import MADE, Past
from gnosis.trading.lineage import EDGES, lineage
from gnosis.trading.policy_inputs import READS
from gnosis.trading.trailing import trailing_figures, trailing_sigma_d, trailing_windows
from tests.gnosis.trading.idea_world import PARAMETERS, IdeaWorld, idea_world

N = 240
TAIL = 12


@pytest.fixture(scope="module")
def world() -> IdeaWorld:
    return idea_world(N, edge=0.5, seed=3)


@pytest.fixture(scope="module")
def made(world: IdeaWorld) -> dict[str, pl.DataFrame]:
    return world.ideas()


@pytest.fixture(scope="module")
def past(world: IdeaWorld, made: dict[str, pl.DataFrame]) -> Past:
    return before(made, world.sessions[-TAIL])


@pytest.fixture(scope="module")
def tail(world: IdeaWorld) -> IdeaWorld:
    """The last evenings alone, to be decided upon what was published before."""
    return world.until(world.sessions[-1], first=world.sessions[-TAIL])


def before(made: dict[str, pl.DataFrame], cut: dt.date) -> Past:
    names = ("trades.policy_votes", "trades.compositions", "trades.ideas")
    return Past(*(made[name].filter(pl.col("session") < cut) for name in names))


def equal(left: dict[str, pl.DataFrame], right: dict[str, pl.DataFrame], keep: pl.Expr) -> None:
    for name in MADE:
        first, second = (rows[name].filter(keep).sort(TABLES[name].key) for rows in (left, right))
        assert first.height > 0, name
        assert first.equals(second, null_equal=True), name


def test_rows_are_those_of_the_tables(world: IdeaWorld, made: dict[str, pl.DataFrame]) -> None:
    for name in MADE:
        TABLES[name].schema.validate(made[name])
        assert made[name].equals(made[name].sort(TABLES[name].key))
    assert made["trades.ideas"].height == world.predictions.height
    assert made["trades.policy_votes"].height == 5 * world.predictions.height


def test_what_happens_later_changes_nothing_before(world: IdeaWorld, made: dict[str, pl.DataFrame]) -> None:
    cut = world.sessions[60]
    equal(made, world.until(cut).ideas(), pl.col("session") <= cut)


def test_nights_one_by_one_equal_all_of_them_at_once(world: IdeaWorld, made: dict[str, pl.DataFrame]) -> None:
    so_far = {name: rows.filter(pl.col("session") < world.sessions[70]) for name, rows in made.items()}
    for session in world.sessions[70:74]:
        night = world.until(session, first=session).ideas(before(so_far, session))
        equal(made, night, pl.col("session") == session)
        so_far = {name: pl.concat([rows, night[name]]) for name, rows in so_far.items()}


def test_order_of_rows_does_not_matter(tail: IdeaWorld, past: Past, made: dict[str, pl.DataFrame]) -> None:
    def shuffled(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.sample(fraction=1.0, shuffle=True, seed=5)

    other = replace(
        tail,
        predictions=shuffled(tail.predictions),
        tables={name: shuffled(rows) for name, rows in tail.tables.items()},
        bars=shuffled(tail.bars),
        labels=shuffled(tail.labels),
    )
    mixed = Past(*(shuffled(rows) for rows in (past.votes, past.compositions, past.ideas)))
    equal(made, other.ideas(mixed), pl.col("session") >= tail.sessions[0])


def test_rows_known_after_the_decision_count_as_missing(tail: IdeaWorld, past: Past) -> None:
    last = tail.sessions[-1]
    late = pl.when(pl.col("session") == last).then(pl.col("known_at") + pl.duration(minutes=1)).otherwise("known_at")
    idea = (
        tail.changed("engines.liquidity", known_at=late).ideas(past)["trades.ideas"].filter(pl.col("session") == last)
    )
    assert idea["veto"].to_list() == ["NO_COST"] * 3
    idea = (
        tail.changed("engines.elasticity", known_at=late).ideas(past)["trades.ideas"].filter(pl.col("session") == last)
    )
    assert idea["reasons"].str.contains("THIN_DATA").all()
    bars = tail.bars.with_columns(known_at=late)
    idea = replace(tail, bars=bars).ideas(past)["trades.ideas"].filter(pl.col("session") == last)
    assert idea["veto"].to_list() == ["NO_VOLATILITY"] * 3


@pytest.mark.parametrize(
    ("table", "columns", "veto"),
    [
        ("engines.elasticity", {"amplification_regime": pl.lit("storm")}, "STORM"),
        ("engines.elasticity", {"movement_energy_confidence": pl.lit(0.05)}, "THIN_DATA"),
        ("engines.liquidity", {"liq_regime": pl.lit("Crisis")}, "LIQ_CRISIS"),
        ("engines.liquidity", {"slippage_model_0_1pct_bps": pl.lit(None)}, "NO_COST"),
        ("engines.liquidity", {"adv_usd": pl.lit(None)}, "NO_VOLUME"),
        ("engines.liquidity", {"slippage_model_0_1pct_bps": pl.lit(900.0)}, "NO_EDGE"),
        ("models.predictions", {"model_state": pl.lit("stale")}, "STALE_MODEL"),
        ("engines.elasticity", {"vix": pl.lit(60.0)}, "VOL_CEILING"),
    ],
)
def test_each_reason_to_stay_out(
    tail: IdeaWorld, past: Past, table: str, columns: dict[str, pl.Expr], veto: str
) -> None:
    last = tail.sessions[-1]
    here = {n: pl.when(pl.col("session") == last).then(value).otherwise(n) for n, value in columns.items()}
    rows = tail.changed(table, **here).ideas(past)["trades.ideas"].filter(pl.col("session") == last)
    assert (rows["reasons"].str.contains(veto)).all()
    assert (rows["quantity"] == 0).all()
    assert (rows["side"] == "flat").all()
    assert rows["rationale"].str.starts_with("Nothing held").all()


def test_no_input_is_no_vote(tail: IdeaWorld, past: Past) -> None:
    matrix = {name: pl.lit(None) for name in READS["features.matrix"]}
    blind = tail.changed("features.matrix", **matrix)
    blind = blind.changed(
        "engines.elasticity", charm_flow_usd_to_close=pl.lit(None), vanna_flow_usd_volpt_down=pl.lit(None)
    )
    blind = blind.changed("engines.sentiment", fused=pl.lit(None))
    rows = blind.changed("engines.elasticity", vix=pl.lit(None)).ideas(past)
    assert set(rows["trades.ideas"]["veto"]) == {"NO_VOTE"}
    assert rows["trades.compositions"]["z"].null_count() == rows["trades.compositions"].height
    assert rows["trades.simulations"].is_empty()


def test_the_event_is_that_of_the_label_and_its_odds_add_up(made: dict[str, pl.DataFrame]) -> None:
    ideas, simulations = made["trades.ideas"], made["trades.simulations"]
    width = ideas["sigma_per_bar"] * math.sqrt(5)
    assert (UPPER_WIDTH, LOWER_WIDTH) == (1.0, 1.0)
    assert (ideas["target_log"].abs() / width - 1.0).abs().max() < 1e-12  # type: ignore[operator]
    total = simulations.select(pl.sum_horizontal("p_target", "p_stop", "p_horizon")).to_series()
    assert (total - 1.0).abs().max() < 1e-12  # type: ignore[operator]
    inside = ideas.select((pl.col("p_event") >= pl.col("p_low")) & (pl.col("p_event") <= pl.col("p_high"))).to_series()
    assert inside.all()


def test_size_is_the_product_of_its_factors(made: dict[str, pl.DataFrame]) -> None:
    rows = made["trades.ideas"].filter(pl.col("fraction") > 0.0)
    assert rows.height > 20
    kelly = rows["kelly_fraction"] * rows["estimation_shrinkage"] * rows["kelly_share"]
    smaller = pl.Series(np.minimum(kelly.to_numpy(), rows["volatility_fraction"].to_numpy()))
    product = smaller * rows["energy_factor"] * rows["size_multiplier"]
    assert (product / rows["fraction"] - 1.0).abs().max() < 1e-12  # type: ignore[operator]
    held = rows.filter(pl.col("quantity") != 0)
    assert held.height > 10
    assert (held["target_weight"].abs() <= SizingLimits().name + 1e-12).all()
    per_day = held.group_by("session").agg(pl.col("target_weight").abs().sum())
    assert per_day["target_weight"].max() <= SizingLimits().gross  # type: ignore[operator]


def test_a_rationale_states_its_figures_with_units(made: dict[str, pl.DataFrame]) -> None:
    row = made["trades.ideas"].filter(pl.col("quantity") > 0).row(0, named=True)
    for part in ("shares long by ", "votes in log odds", "hedge ", "80 % interval", "bp of costs", "size: Kelly"):
        assert part in row["rationale"]
    assert row["thesis_wrong_if"].startswith("within 5 sessions the price moves -")


def test_a_degraded_model_halves_the_size(tail: IdeaWorld, past: Past, made: dict[str, pl.DataFrame]) -> None:
    rows = tail.changed("models.predictions", model_state=pl.lit("degraded")).ideas(past)["trades.ideas"]
    both = rows.join(made["trades.ideas"], on=["session", "symbol"], suffix="_ok").filter(pl.col("fraction_ok") > 0)
    assert (both["size_multiplier"] * 2 - both["size_multiplier_ok"]).abs().max() < 1e-12  # type: ignore[operator]


def test_a_family_surely_worse_than_its_base_rate_is_suspended(tail: IdeaWorld, past: Past) -> None:
    """Odds of 0.95 that did not come true take their structure out, and the other stays in."""
    is_long = pl.col("structure") == "shares_long"
    proud = past.ideas.with_columns(p_event=pl.when(is_long).then(0.95).otherwise("p_event"))
    rows = tail.ideas(replace(past, ideas=proud))["trades.ideas"]
    of_long = rows.filter(is_long)
    assert of_long.height > 0
    assert of_long["reasons"].str.contains("SUSPENDED").all()
    assert (of_long["quantity"] == 0).all()
    assert not rows.filter(~is_long)["reasons"].fill_null("").str.contains("SUSPENDED").any()


def test_shorts_without_a_rate_to_borrow_at_are_kept_back(tail: IdeaWorld, past: Past) -> None:
    rows = replace(tail, parameters=replace(PARAMETERS, borrow_rate_per_year=None)).ideas(past)["trades.ideas"]
    assert rows.filter(pl.col("target_weight") < 0).is_empty()
    assert rows.filter(pl.col("reasons").str.contains("BORROW")).height > 0
    assert rows.filter(pl.col("target_weight") > 0).height > 0


def test_other_settings_are_other_ideas(tail: IdeaWorld, past: Past, made: dict[str, pl.DataFrame]) -> None:
    rows = replace(tail, parameters=replace(PARAMETERS, kelly_share=0.1)).ideas(past)["trades.ideas"]
    assert not set(rows["idea_id"]) & set(made["trades.ideas"]["idea_id"])
    assert made["trades.ideas"]["idea_id"].is_unique().all()


def test_every_idea_is_traced_to_rows_known_before_it(
    world: IdeaWorld, tail: IdeaWorld, past: Past, made: dict[str, pl.DataFrame]
) -> None:
    quotes = TABLES["raw.option_quotes"].empty()
    edges = lineage(made, world.predictions, world.tables, world.bars, quotes)
    TABLES["trades.lineage"].schema.validate(edges)
    per_idea = edges.group_by("idea_id").agg(pl.struct("child_table", "parent_table").n_unique())
    assert per_idea.height == made["trades.ideas"].height
    tables = {(child, parent) for _, child, parent in EDGES}
    assert ("models.predictions", "models.trained") in tables
    idea = made["trades.ideas"].row(-1, named=True)
    parents = set(edges.filter(pl.col("idea_id") == idea["idea_id"])["parent_table"])
    assert {"features.matrix", "engines.elasticity", "engines.liquidity", "raw.equity_bars"} <= parents
    later = tail.changed("engines.sentiment", known_at=pl.col("known_at") + pl.duration(minutes=1))
    fewer = lineage(later.ideas(past), later.predictions, later.tables, later.bars, quotes)
    assert "engines.sentiment" not in set(fewer["parent_table"])


@pytest.mark.xdist_group("known_truth")
def test_a_planted_edge_is_found_and_size_follows_the_odds() -> None:
    world = idea_world(360, symbols=6, edge=0.3, seed=11)
    rows = world.ideas()["trades.ideas"].join(world.signal, on=["session", "symbol"])
    late = rows.filter(pl.col("session") >= world.sessions[240])
    held = late.filter(pl.col("quantity") != 0)
    assert held.height > 0.3 * late.height
    right = (held["signal"].sign() == held["target_weight"].sign()).mean()
    assert right > 0.97  # type: ignore[operator]
    free = late.filter(pl.col("kelly_fraction") > 0)
    assert free.select(pl.corr("kelly_fraction", "p_event", method="spearman")).item() > 0.9


@pytest.mark.xdist_group("known_truth")
@pytest.mark.parametrize("seed", range(5))
def test_without_an_edge_it_stays_out(seed: int) -> None:
    rows = idea_world(160, symbols=4, edge=0.0, seed=100 + seed).ideas()["trades.ideas"]
    assert (rows["quantity"] == 0).mean() >= 0.95  # type: ignore[operator]


def test_trailing_windows_stay_within_a_symbol() -> None:
    values, symbols = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([0, 0, 0, 1, 1])
    windows = trailing_windows(values, symbols, 3)
    assert np.isnan(windows[[0, 1, 3, 4]]).all()
    assert windows[2].tolist() == [1.0, 2.0, 3.0]
    assert trailing_windows(values[:0], symbols[:0], 3).shape == (0, 3)
    assert np.isnan(trailing_sigma_d(np.exp(values), symbols)).all()


def test_trailing_figures_use_only_what_was_known(world: IdeaWorld) -> None:
    rows = world.tables["engines.sentiment"].select("session", "symbol", "known_at", "fused")
    last = rows.filter((pl.col("session") == world.sessions[-1]) & (pl.col("symbol") == "S1"))
    wanted = last.select("session", "symbol", as_of="known_at")
    found = trailing_figures(rows, "fused", wanted, sessions=40)
    values = rows.filter(pl.col("symbol") == "S1").sort("session")["fused"].to_numpy()
    before, today = values[-41:-1], values[-1]
    assert found["median"][0] == np.median(before)
    assert found["rank"][0] == (before < today).mean()
    unknown = rows.with_columns(known_at=pl.col("known_at") + pl.duration(days=1000))
    assert trailing_figures(unknown, "fused", wanted, sessions=40)["median"][0] is None
