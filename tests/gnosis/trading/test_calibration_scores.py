"""Scores of stated odds: figures by hand, known truths, and the suspension of a family worse than its base rate."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.sessions import schedule
from gnosis.tables.calibration import CALIBRATION, CALIBRATION_SCORES
from gnosis.trading.calibration_scores import scores, suspended

DAYS = schedule().filter(pl.col("session") >= dt.date(2020, 1, 2)).head(500)


def ledger_of(p, happened, p_raw=None, ambiguous=None, **columns):
    """Return births and resolutions of one idea per row, four a session, without the chain that scores do not read."""
    n = len(p)
    day = DAYS[np.arange(n) // 4]
    none = np.zeros(n, dtype=bool)
    plain = {"model_version": "m", "structure": "linear", "regime": "calm", "p_baseline": 0.5, "horizon_bars": 1}
    birth = pl.DataFrame({"p_event": p, "p_raw": p if p_raw is None else p_raw}).with_columns(
        idea_id=pl.int_range(n).cast(pl.String),
        sequence=pl.int_range(1, n + 1),
        session=day["session"],
        known_at=day["close_at"],
        kind=pl.lit("birth"),
        p_low=pl.col("p_event") - 0.02,
        p_high=pl.col("p_event") + 0.02,
    )
    birth = birth.with_columns(
        **{k: v if isinstance(v, pl.Series) else pl.lit(v) for k, v in (plain | columns).items()}
    )
    end = birth.select("idea_id", "session", "known_at").with_columns(
        sequence=pl.int_range(n + 1, 2 * n + 1),
        kind=pl.lit("resolution"),
        outcome=pl.Series(np.where(happened, "target", "stop")),
        is_ambiguous=pl.Series(none if ambiguous is None else ambiguous),
    )
    schema = CALIBRATION.polars_schema
    rows = pl.concat([birth, end], how="diagonal_relaxed")
    absent = [pl.lit(None).alias(name) for name in schema if name not in rows.columns]
    return rows.with_columns(absent).select(list(schema)).cast(schema)


def drawn(times, n=2_000, seed=1):
    generator = np.random.default_rng(seed)
    logit = generator.normal(0.0, 0.6, n)
    return 1 / (1 + np.exp(-times * logit)), generator.uniform(size=n) < 1 / (1 + np.exp(-logit))


def figure(scored, statistic, *, scope="all", group="all", has_ambiguous=True):
    wanted = scored.filter(scope=scope, group=group, has_ambiguous=has_ambiguous, statistic=statistic, bin=0)
    return wanted.row(0, named=True)


def test_figures_by_hand_with_and_without_ambiguous_ideas():
    p, happened = np.array([0.8, 0.6, 0.3, 0.9]), np.array([True, False, False, False])
    scored = scores(ledger_of(p, happened, ambiguous=np.array([False, False, False, True])))
    assert CALIBRATION_SCORES.schema.is_valid(scored)
    whole = (0.04 + 0.36 + 0.09 + 0.81) / 4
    assert figure(scored, "brier")["value"] == pytest.approx(whole, rel=1e-12)
    assert figure(scored, "skill")["value"] == pytest.approx(1 - whole / 0.25, rel=1e-12)
    log = -(np.log(0.8) + np.log(0.4) + np.log(0.7) + np.log(0.1)) / 4
    assert figure(scored, "log_score")["value"] == pytest.approx(log, rel=1e-12)
    without = figure(scored, "brier", has_ambiguous=False)
    assert (without["n"], without["value"]) == (3, pytest.approx(0.49 / 3, rel=1e-12))
    assert figure(scored, "brier")["reason"] == "no interval: fewer sessions than two horizons"
    assert figure(scored, "coverage")["reason"] == "fewer than 50 ideas"


def test_an_honest_source_has_slope_one_skill_and_nominal_coverage_and_a_loud_one_half():
    honest = scores(ledger_of(*drawn(1.0)))
    slope = figure(honest, "slope")
    assert slope["low"] < 1.0 < slope["high"]
    assert figure(honest, "skill")["low"] > 0.0
    assert figure(honest, "coverage")["value"] == pytest.approx(0.8, abs=0.15)
    curve = honest.filter(scope="all", has_ambiguous=True, statistic="observed")
    predicted = honest.filter(scope="all", has_ambiguous=True, statistic="predicted")["value"]
    assert curve.height == 10
    assert ((curve["low"] <= predicted) & (predicted <= curve["high"])).sum() >= 8
    loud, happened = drawn(2.0)
    mapped = 1 / (1 + ((1 - loud) / loud) ** 0.5)
    shrunk = scores(ledger_of(mapped, happened, p_raw=loud))
    assert figure(shrunk, "slope_raw")["value"] == pytest.approx(0.5, abs=0.10)
    assert figure(shrunk, "slope")["value"] == pytest.approx(1.0, abs=0.20)


def test_a_family_that_is_surely_worse_than_its_base_rate_is_suspended():
    p, happened = drawn(-1.0, n=400)
    model = pl.Series(["bad"] * 400)
    bad = ledger_of(p, happened, model_version=model)
    assert suspended(scores(bad), "model") == ["bad"]
    # Of 50 sessions of four ideas the last is not yet in: 196 are too few, however bad.
    early = scores(bad, as_of=DAYS["close_at"][48])
    assert figure(early, "skill")["high"] < 0.0
    assert suspended(early, "model") == []
    assert suspended(scores(ledger_of(*drawn(1.0, n=400))), "model") == []


def test_every_scope_has_its_groups_and_order_changes_nothing():
    p, happened = drawn(1.0, n=200)
    half = pl.Series(["a", "b"] * 100)
    horizon = pl.Series([1, 5] * 100)
    regime = pl.Series(["calm", None] * 100)
    ledger = ledger_of(p, happened, model_version=half, horizon_bars=horizon, regime=regime)
    scored = scores(ledger)
    groups = scored.select("scope", "group").unique().sort("scope", "group").rows()
    assert groups == [
        ("all", "all"), ("model", "a"), ("model", "b"), ("structure", "linear"), ("horizon", "1"), ("horizon", "5"),
        ("regime", "calm"),
    ]  # fmt: skip
    assert figure(scored, "n", scope="model", group="a")["value"] == 100.0
    assert scores(ledger.sample(fraction=1.0, shuffle=True, seed=3)).equals(scored)


def test_an_unresolved_idea_has_no_score():
    ledger = ledger_of(*drawn(1.0, n=40))
    assert scores(ledger.filter(kind="birth")).is_empty()
