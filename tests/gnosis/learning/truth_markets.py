"""Markets whose truth is known, walked through the whole learning pipeline, and what the gates are told about them.

The relations are those of :func:`gnosis.simulate.edges.edge_market`, told at the close of a session about the move of
the next one. Here they become bars and rows of the feature matrix; the columns that carry nothing are missing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from gnosis.backtest.trials import MemoryLedger
from gnosis.features.registry import FEATURES
from gnosis.learning import models, strategy_trials
from gnosis.learning.bootstrap import base_rate_band
from gnosis.learning.calibration import calibrator_from_json
from gnosis.learning.comparison import against_baselines
from gnosis.learning.evaluation import evaluate
from gnosis.learning.evidence import (
    Calibrated,
    Evidence,
    Latency,
    Moved,
    Overfitting,
    Parity,
    Placebo,
    Proof,
)
from gnosis.learning.folds import Fold, folds_frame, walk_forward
from gnosis.learning.head_answers import head_answers
from gnosis.learning.judged import Judged, scored
from gnosis.learning.known_truth import planted_bars, planted_features
from gnosis.learning.labels import DEAD_ZONE, labels
from gnosis.learning.matrix import FEATURE_NAMES, dataset, feature_rows
from gnosis.learning.models import PUBLISHED
from gnosis.learning.placebo import placebo_labels
from gnosis.learning.training import train
from gnosis.sessions import schedule
from gnosis.simulate.edges import Edge, edge_market
from gnosis.tables import TABLES

DAILY_VOLATILITY = 0.01
FIRST_SESSION = dt.date(2010, 1, 4)
CODE = "0" * 64
COST_BPS = 1.0
BLOCK_SESSIONS = 10.0
CARRIERS = tuple(
    feature.name
    for feature in FEATURES
    if feature.dtype == "float" and not feature.categories and feature.name != "hedge_movement_energy"
)
"""Columns of the matrix that can hold a feature of a simulated market; the energy is left out because it weighs."""
FAST: Mapping[str, Mapping[str, Any]] = {
    **models.PARAMETERS,
    "hist_gradient_boosting": {**models.PARAMETERS["hist_gradient_boosting"], "max_iter": 25},
    "xgboost": {**models.PARAMETERS["xgboost"], "max_rounds": 60, "patience": 8, "eta": 0.1, "max_bin": 64},
    "lightgbm": {**models.PARAMETERS["lightgbm"], "max_rounds": 60, "patience": 8, "learning_rate": 0.1},
    "sequence": {**models.PARAMETERS["sequence"], "epochs": 6, "patience": 2, "hidden": 16},
}
"""Settings that differ from the product's in rounds only, for speed."""
PASSING = Evidence(
    horizon_bars=1,
    head="direction",
    champion=None,
    checks={"labels.in_order": True},
    proofs={name: Proof(pairs=30, failures=0) for name in FEATURE_NAMES},
    moved=Moved(0.0, 0.0, n_features=141, output_psi=0.0, unusual_outputs=0, n_outputs=5),
    parity=Parity(sessions=5, rows=25, feature_rows_different=0, predictions_different=0),
    latency=Latency(native_median_ms=0.1, answer_p95_ms=1.0, calls=1000),
    hashes={"model_sha256": ("a", "a"), "predictions_sha256": ("b", "b")},
)
"""Everything that has nothing to do with skill or luck is as it should be."""


@dataclass(frozen=True)
class Market:
    """Bars and feature rows with ``truth``: session, symbol, signal and, where it was drawn, the regime."""

    bars: pl.DataFrame
    features: pl.DataFrame
    truth: pl.DataFrame


def market(edge: Edge, n_symbols: int, n_sessions: int, seed: int, ic: float = 0.08, **options: Any) -> Market:
    """Return a simulated market as the pipeline reads one."""
    return _as_read(edge_market(edge, _symbols(n_symbols), days(n_sessions), seed, ic, 5, **options).frame)


def noise_market(n_symbols: int, n_sessions: int, seed: int) -> Market:
    """Return a market without any edge, with noise in all 141 features."""
    bars, signal = planted_bars(n_symbols, n_sessions, seed)
    features = feature_rows(planted_features(bars, signal, seed + 10_000))
    return Market(bars, features, features.select("session", "symbol").with_columns(signal=signal.T.ravel()))


def market_with_an_edge_at_times(n_symbols: int, n_sessions: int, seed: int, ic: float = 0.08) -> Market:
    """Return a market whose linear edge exists only in sessions in which x03 of the first symbol is above 0."""
    asked = (_symbols(n_symbols), days(n_sessions), seed, ic, 5)
    with_edge, without = (edge_market(edge, *asked).frame for edge in ("linear", "none"))
    is_on = (pl.col("x03").first() > 0.0).over("session", order_by="symbol")
    label = pl.when(is_on).then("label").otherwise(without["label"])
    known = _as_read(with_edge.with_columns(label=label))
    return replace(known, truth=known.truth.with_columns(regime=with_edge.select(is_on).to_series()))


def _symbols(n: int) -> list[str]:
    return [f"S{at:02d}" for at in range(n)]


def days(n: int) -> list[dt.date]:
    """First sessions of the simulated markets."""
    return schedule().filter(pl.col("session") >= FIRST_SESSION)["session"].head(n).to_list()


def _as_read(frame: pl.DataFrame) -> Market:
    move = DAILY_VOLATILITY * pl.col("label").shift(1).over("symbol", order_by="session").fill_null(0.0)
    close = 100.0 * move.cum_sum().over("symbol", order_by="session").exp()
    priced = frame.with_columns(close=close).with_columns(
        open=pl.col("close").shift(1).over("symbol", order_by="session").fill_null(100.0)
    )
    table = TABLES["raw.equity_bars"]
    known = {"known_at": pl.col("as_of"), "ts": pl.col("as_of")}
    bars = priced.with_columns(
        **known,
        high=pl.max_horizontal("open", "close"),
        low=pl.min_horizontal("open", "close"),
        volume=pl.lit(1e6),
        adjustment_factor=pl.lit(1.0),
    )
    drawn = [name for name in frame.columns if name[0] == "x" and name[1:].isdigit()]
    carried = dict(zip(CARRIERS, drawn, strict=False))
    dtypes = TABLES["features.matrix"].polars_schema
    columns = [
        pl.col(carried[name]).cast(dtypes[name]).alias(name)
        if name in carried
        else pl.lit(None, dtypes[name]).alias(name)
        for name in FEATURE_NAMES
    ]
    rows = priced.select(
        "session", "symbol", "as_of", "provider", "synthetic", *columns, known_at="as_of", confidence=pl.lit(0.9)
    )
    return Market(
        bars=bars.select(list(table.polars_schema)).cast(dict(table.polars_schema)).sort(table.key),
        features=feature_rows(rows),
        truth=frame.select("session", "symbol", "signal", regime=pl.col("x03") > 0.0),
    )


@dataclass(frozen=True)
class Learned:
    """Everything on the way from a market to the scores of its models."""

    market: Market
    rows: pl.DataFrame
    folds: list[Fold]
    trained: pl.DataFrame
    answers: pl.DataFrame
    scores: pl.DataFrame
    judged: Judged

    @property
    def verdicts(self) -> dict[str, str]:
        """Verdict of each model."""
        stitched = self.scores.filter(scope="stitched", metric="log_loss")
        return dict(zip(stitched["model_name"], stitched["verdict"], strict=True))

    def score(self, model: str, metric: str, scope: str = "stitched") -> tuple[float, float]:
        """Value and standard error."""
        found = self.scores.filter(model_name=model, metric=metric, scope=scope)
        return found["value"].item(), found["standard_error"].item()


def rows_of(known: Market, horizon: int = 1) -> pl.DataFrame:
    """Rows of models.dataset."""
    return dataset(known.features, labels(known.bars, horizons=(horizon,)))


def learn(
    known: Market,
    rows: pl.DataFrame,
    families: Sequence[str],
    *,
    window: tuple[int, int] = (756, 63),
    parameters: Mapping[str, Mapping[str, Any]] = FAST,
    states: pl.DataFrame | None = None,
    threads: int = 1,
) -> Learned:
    """Train on walk-forward folds of ``window`` (training, test sessions), answer out of sample and score."""
    horizon = int(rows["horizon_bars"][0])
    features = known.features.join(rows.select("session", "symbol"), on=["session", "symbol"], how="semi")
    folds = walk_forward(rows, window[0], window[1], window[1])
    trained = train(
        features,
        rows,
        folds,
        horizon=horizon,
        recorder=MemoryLedger(),
        code_sha256=CODE,
        families=families,
        heads=("direction",),
        parameters=parameters,
        threads=threads,
    )
    answers = head_answers(features, trained, rows, horizon)
    scores = evaluate(answers, rows, folds_frame(rows, folds), states=states)
    return Learned(known, rows, folds, trained, answers, scores, Judged.of(scored(answers, rows)))


def judged_beside_truth(learned: Learned, model: str, ic: float) -> pl.DataFrame:
    """Judged rows of horizon 1 with ``signal``, ``answer`` (p_up), its interval, the true p_up and whether it rose.

    The move is ``ic signal + sqrt(1 - ic^2) noise`` and what came before says nothing more, so the truth is exact.
    """
    judged = learned.judged
    rows = learned.rows.select("session", "symbol", "sigma_bar").join(learned.market.truth, on=["session", "symbol"])
    dead_zone = DEAD_ZONE * pl.col("sigma_bar") / DAILY_VOLATILITY
    score = ((ic * pl.col("signal") - dead_zone) / np.sqrt(1.0 - ic**2)).alias("score")
    keys = judged.keys.with_columns(
        answer=judged.answer[model][:, 2], raw=judged.answer_raw[model], rose=judged.outcome == 2.0
    ).join(rows.with_columns(score), on=["session", "symbol"], maintain_order="left")
    parts = []
    for (fold,), part in keys.group_by(["fold"], maintain_order=True):
        stored = learned.trained.filter(fold=fold, model_name=model)["calibrator"].item()
        low, high = calibrator_from_json(stored).interval(part["raw"].to_numpy())
        parts.append(part.with_columns(low=low[:, 2], high=high[:, 2]))
    found = pl.concat(parts)
    return found.with_columns(truth=norm.cdf(found["score"].to_numpy())).drop("score", "raw")


def expected_ic(learned: Learned, model: str, ic: float) -> float:
    """Information coefficient that the answers of a model are worth in truth: planted, times how true they are."""
    answer = learned.judged.answer[model]
    keys = learned.judged.keys.with_columns(answer=answer[:, 2] - answer[:, 0])
    daily = (
        keys.join(learned.market.truth, on=["session", "symbol"])
        .group_by("session")
        .agg(pl.corr("answer", "signal"))["answer"]
    )
    return ic * float(daily.drop_nans().mean())  # type: ignore[arg-type]


def luck(learned: Learned, seed: int) -> Overfitting | None:
    """What gate G7 is told where trading costs next to nothing, so that no cost hides what luck would earn."""
    ledger = MemoryLedger()
    trials = {"family": "simulated", "code_sha256": CODE}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategy_trials, "COST_BPS", COST_BPS)
        returns = strategy_trials.strategy_returns(
            learned.answers, learned.trained, learned.market.bars, ledger, **trials
        )
    return strategy_trials.overfitting(returns, ledger, family="simulated", seed=seed)


def placebo(on_placebo: Learned, planted: bool, seed: int) -> Placebo:
    """What gate G3 is told: the published family on exchanged outcomes, and whether a planted edge was found."""
    judged = on_placebo.judged
    low, _ = base_rate_band(judged.losses("majority"), judged.session, block=BLOCK_SESSIONS, seed=seed)
    return Placebo(float(judged.losses(PUBLISHED).mean()), low, judged.outcome.size, planted, judged.outcome.size)


def evidence(learned: Learned, on_placebo: Learned, planted: bool, seed: int) -> Evidence:
    """Measure what gates G3, G4, G5 and G7 judge about the published family; everything else passes."""
    calibrated = [learned.score(PUBLISHED, name)[0] for name in ("ece", "recalibration_slope", "brier_skill")]
    figures = [float("nan") if value is None else value for value in calibrated]
    return replace(
        PASSING,
        horizon_bars=learned.judged.horizon,
        placebo=placebo(on_placebo, planted, seed),
        against=against_baselines(learned.answers, learned.rows, "direction", seed),
        calibrated=Calibrated(*figures, n=learned.judged.outcome.size),
        overfitting=luck(learned, seed),
    )


def on_exchanged_outcomes(learned: Learned, families: Sequence[str], seed: int, **options: Any) -> Learned:
    """Walk the whole way again with the outcomes of other sessions."""
    return learn(learned.market, placebo_labels(learned.rows, seed), families, **options)


def shuffled(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Rows of models.dataset with whole outcomes permuted over the rows that have one."""
    outcomes = [name for name in rows.columns if name.startswith("y_")]
    present = np.flatnonzero(rows["y_dir"].is_not_null().to_numpy())
    order = np.arange(rows.height)
    order[present] = np.random.default_rng(seed).permutation(present)
    return rows.with_columns(rows.select(outcomes)[order])
