"""How often the whole learning pipeline tells the truth about markets of which everything is known (L-14.2).

Run ``PYTHONPATH=. python benchmarks/known_truth.py [SEEDS]``, with names of parts to run only those: no_edge,
promotion, linear, pair, leak, drift, wandering; and names of families to judge only those. Twenty seeds of everything
take about an hour on two cores. Settings are those of the product but for fewer rounds. ``promotion`` needs the
published family only and runs ten times as many seeds.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import polars as pl

from gnosis.features.registry import FEATURES
from gnosis.learning import models
from gnosis.learning.drift_rows import drift
from gnosis.learning.drift_state import MOST_DRIFTED_SHARE, is_unusual, status_with
from gnosis.learning.drift_windows import Trailing, stability
from gnosis.learning.folds import folds_frame
from gnosis.learning.gates import failed_gates, gates
from gnosis.tables import TABLES
from tests.gnosis.learning import truth_markets as markets

WARMUP_SESSIONS = 62
PLANTED_IC, PLANTED_IC_OF_PAIRS = 0.08, 0.12
BASELINES = ("majority", "logistic")
PUBLISHED = ("majority", "logistic", "xgboost")
LEARNT_SESSIONS, GAP_SESSIONS, STILL_SESSIONS = 751, 5, 120
NO_EDGE = (504, 336)
LONG = (756, 504)
PAIRS = {
    **markets.FAST,
    "xgboost": {**markets.FAST["xgboost"], "max_depth": 4, "max_bin": 32, "colsample_bytree": 1.0, "max_rounds": 120},
}

Found = dict[str, list[float]]
"""By statement, whether it held (or a figure) in each market."""


def no_edge(seed: int, families: tuple[str, ...]) -> Found:
    """The horizon of the product, four symbols, noise in every feature."""
    known = markets.noise_market(4, 900, seed)
    learned = markets.learn(known, markets.rows_of(known, 5), families, window=NO_EDGE)
    return {f"{name}: no skill": [learned.verdicts[name] == "no_skill"] for name in families}


def promotion(seed: int, _: tuple[str, ...]) -> Found:
    """The same market before the gates of skill and luck, all others passing."""
    known = markets.noise_market(4, 900, seed)
    learned = markets.learn(known, markets.rows_of(known, 5), PUBLISHED, window=NO_EDGE)
    on_placebo = markets.on_exchanged_outcomes(learned, ("majority", "xgboost"), seed, window=NO_EDGE)
    failed = failed_gates(gates(markets.evidence(learned, on_placebo, planted=True, seed=seed)))
    alone = {f"xgboost: passes {gate}": [gate not in failed] for gate in ("G3", "G4", "G5", "G7")}
    return {"xgboost: promoted": [not failed], "xgboost: skill": [learned.verdicts["xgboost"] == "skill"], **alone}


def linear(seed: int, families: tuple[str, ...]) -> Found:
    """A relation of known information coefficient, 20 symbols."""
    known = markets.market("linear", 20, sum(LONG) + WARMUP_SESSIONS, seed, PLANTED_IC)
    learned = markets.learn(known, markets.rows_of(known), families, window=LONG)
    found: Found = {}
    for name in families:
        if name == "majority":
            continue
        ic, error = learned.score(name, "ic")
        worth = markets.expected_ic(learned, name, PLANTED_IC)
        rows = markets.judged_beside_truth(learned, name, PLANTED_IC)
        bins = rows.group_by("low", "high").agg(pl.col("truth").mean())
        found |= {
            f"{name}: right sign": [ic > 1.96 * error],
            f"{name}: share of the planted coefficient that its answers are worth": [worth / PLANTED_IC],
            f"{name}: interval holds what its answers are worth": [abs(ic - worth) < 1.96 * error],
            f"{name}: interval holds the planted coefficient": [abs(ic - PLANTED_IC) < 1.96 * error],
            f"{name}: bins whose interval holds the true probability": bins.select(
                pl.col("truth").is_between("low", "high").cast(pl.Float64)
            )["truth"].to_list(),
            f"{name}: skill": [learned.verdicts[name] == "skill"],
            f"{name}: too good": [learned.verdicts[name] == "too_good"],
        }
    return found


def pair(seed: int, _: tuple[str, ...]) -> Found:
    """A relation that takes two features, 20 symbols: found by trees alone, and let through by the gates."""
    found: Found = {}
    window = (756, 252)
    for edge in ("interaction", "regime"):
        known = markets.market(edge, 20, 756 + 3 * 252 + WARMUP_SESSIONS, seed, PLANTED_IC_OF_PAIRS)
        learned = markets.learn(known, markets.rows_of(known), PUBLISHED, window=window, parameters=PAIRS)
        again = {"window": window, "parameters": PAIRS}
        on_placebo = markets.on_exchanged_outcomes(learned, ("majority", "xgboost"), seed, **again)
        failed = failed_gates(gates(markets.evidence(learned, on_placebo, planted=True, seed=seed)))
        for name in PUBLISHED[1:]:
            found[f"{edge}, {name}: skill"] = [learned.verdicts[name] == "skill"]
        found |= {f"{edge}, xgboost: passes {gate}": [gate not in failed] for gate in ("G3", "G4", "G5", "G7")}
        found[f"{edge}, xgboost: promoted"] = [not failed]
    return found


def leak(seed: int, families: tuple[str, ...]) -> Found:
    """A feature that holds the outcome, 12 symbols."""
    known = markets.market("leak", 12, 504 + 126 + WARMUP_SESSIONS, seed)
    learned = markets.learn(known, markets.rows_of(known), families, window=(504, 126))
    return {f"{name}: too good": [learned.verdicts[name] == "too_good"] for name in families if name != "majority"}


def drifting(seed: int, _: tuple[str, ...]) -> Found:
    """A feature that moves by 1.5 standard deviations on the 31st test session, 50 symbols."""
    first = 504 + WARMUP_SESSIONS
    day = markets.days(first + 90)[first + 30]
    known = markets.market("drift", 50, first + 90, seed, drift_session=day)
    rows = markets.rows_of(known)
    learned = markets.learn(known, rows, PUBLISHED, window=(504, 90))
    asked = known.truth["session"].unique().sort().filter(known.truth["session"].unique().sort() >= day)[:40]
    told = drift(
        known.features,
        rows,
        folds_frame(rows, learned.folds),
        learned.trained,
        TABLES["models.promotion"].empty(),
        asked.to_list(),
        horizon=1,
    )
    alarms = told.filter(kind="feature", status="drifted")
    moved = alarms.filter(subject=markets.CARRIERS[4])["session"]
    others = {name for name in alarms["subject"] if name != markets.CARRIERS[4]}
    late = asked.index_of(moved.min()) if moved.len() else None
    return {
        "reported within 20 sessions": [late is not None and late < 20],
        "sessions until reported": [float("nan") if late is None else late + 1],
        "other features reported, of 4": [len(others)],
    }


def wandering(seed: int, _: tuple[str, ...]) -> Found:
    """Floats that remember as long as they look back: how often and how late a model is degraded."""
    rng = np.random.default_rng(seed)
    floats = [feature for feature in FEATURES if feature.dtype == "float" and not feature.categories]
    found: Found = {}
    for n_symbols in (5, 50):
        for shift in (0.0, 1.0, 1.5):
            drifted, unusual = np.zeros((2, len(floats), STILL_SESSIONS), dtype=np.bool_)
            for at, feature in enumerate(floats):
                values = remembering(feature.lookback_sessions, n_symbols, rng)
                values[LEARNT_SESSIONS + GAP_SESSIONS :] += shift
                drifted[at], unusual[at] = judged(values)
            degraded = (drifted & unusual).mean(axis=0) > MOST_DRIFTED_SHARE
            name = f"{n_symbols} symbols, moved by {shift:g}"
            if shift:
                found[f"{name}: sessions until degraded"] = [degraded.argmax() + 1 if degraded.any() else np.nan]
            else:
                found[f"{name}: nights degraded"] = degraded.tolist()
                found[f"{name}: floats beyond their usual range"] = unusual.ravel().tolist()
                found[f"{name}: floats drifted by their status"] = drifted.ravel().tolist()
    return found


def remembering(n_sessions: int, n_symbols: int, rng: np.random.Generator) -> np.ndarray:
    """Return values of unit variance whose correlation falls to 1/e within some sessions, shape (sessions, symbols)."""
    keep = np.exp(-1.0 / n_sessions)
    values = rng.normal(size=(LEARNT_SESSIONS + GAP_SESSIONS + STILL_SESSIONS, n_symbols))
    for at in range(1, len(values)):
        values[at] = keep * values[at - 1] + np.sqrt(1.0 - keep**2) * values[at]
    return values


def judged(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return of each session after the training rows whether the feature drifted, and left its usual range."""
    n_symbols = values.shape[1]
    inside = Trailing.inside(np.repeat(np.arange(LEARNT_SESSIONS), n_symbols))
    asked = np.arange(LEARNT_SESSIONS + GAP_SESSIONS, len(values))
    window = Trailing.of(np.arange(len(values) + 1) * n_symbols, asked)
    said = stability(values[:LEARNT_SESSIONS].ravel(), inside, values.ravel()[window.rows], window, is_discrete=False)
    rows = pl.DataFrame(said).with_columns(is_unusual=is_unusual()).with_columns(status=status_with(pl.col("status")))
    return (rows["status"] == "drifted").to_numpy(), rows["is_unusual"].to_numpy()


PARTS: dict[str, Callable[[int, tuple[str, ...]], Found]] = {
    "no_edge": no_edge,
    "promotion": promotion,
    "linear": linear,
    "pair": pair,
    "leak": leak,
    "drift": drifting,
    "wandering": wandering,
}


def families_of(asked: list[str]) -> tuple[str, ...]:
    """The families asked for with their baselines, or every one that is installed."""
    able = [name for name in models.FAMILIES if name not in ("ridge", "ewma") and models.is_installed(name)]
    return tuple(name for name in able if not asked or name in (*BASELINES, *asked))


def main(arguments: list[str]) -> None:
    n_seeds = next((int(each) for each in arguments if each.isdigit()), 20)
    families = families_of([each for each in arguments if each in models.FAMILIES])
    print(f"{'part':<10} {'statement':<75} {'mean':>7} {'least':>7} {'markets':>8}")
    for part in [each for each in arguments if each in PARTS] or list(PARTS):
        begun = time.perf_counter()
        found: dict[str, list[list[float]]] = defaultdict(list)
        for seed in range(n_seeds * (10 if part == "promotion" else 1)):
            for statement, values in PARTS[part](seed, families).items():
                found[statement].append([float(value) for value in values])
        for statement, markets_of in found.items():
            values = np.concatenate(markets_of)
            print(f"{part:<10} {statement:<75} {values.mean():7.3f} {values.min():7.3f} {len(markets_of):8d}")
        print(f"{part:<10} took {time.perf_counter() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
