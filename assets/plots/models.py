"""Pictures of the models room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from assets.plots.drawing import BLUE, GREY, ORANGE, bars, lines, origin_note, picture
from gnosis.learning.drift import DRIFTED_ABOVE, WATCH_FROM
from gnosis.learning.information_coefficients import ALARM_IC

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def class_shares(frame: pl.DataFrame) -> bytes:
    """Share of down, flat and up outcomes by horizon."""
    known = frame.filter(pl.col("y_dir").is_not_null())

    def draw(axes: Axes) -> None:
        for offset, (code, name, colour) in enumerate(((-1, "down", ORANGE), (0, "flat", GREY), (1, "up", BLUE))):
            by_horizon = known.group_by("horizon_bars").agg(share=(pl.col("y_dir") == code).mean() * 100)
            by_horizon = by_horizon.sort("horizon_bars")
            places = [place + (offset - 1) * 0.27 for place in range(by_horizon.height)]
            axes.bar(places, by_horizon["share"], width=0.25, color=colour, label=name)
            axes.set_xticks(range(by_horizon.height), [str(value) for value in by_horizon["horizon_bars"]])

    return picture(draw, f"Outcomes, {known.height:,} labels{origin_note(frame)}", "horizon [sessions]", "% of labels")


def known_labels(frame: pl.DataFrame) -> bytes:
    """Rows of each session whose outcome is known, by horizon."""
    by_session = (
        frame.group_by("session", "horizon_bars")
        .agg(known=pl.col("y_dir").is_not_null().sum())
        .sort("session")
        .with_columns(horizon=pl.format("{} sessions", "horizon_bars"))
    )
    return picture(
        lambda axes: lines(by_session, "session", "known", "horizon", axes),
        f"Rows with a known outcome{origin_note(frame)}",
        "signal session",
        "rows",
    )


def folds(frame: pl.DataFrame) -> bytes:
    """Training and test blocks of each fold on the time axis."""
    from matplotlib.dates import date2num

    def draw(axes: Axes) -> None:
        for row in frame.iter_rows(named=True):
            for first, last, colour in (("train_first", "train_last", BLUE), ("test_first", "test_last", ORANGE)):
                start = float(date2num(row[first]))
                axes.barh(row["fold"], float(date2num(row[last])) - start, left=start, color=colour, height=0.7)
        axes.xaxis_date()

    return picture(draw, "Training (blue) and test (orange) blocks", "signal session", "fold")


def training_rows(frame: pl.DataFrame) -> bytes:
    """Fitted rows of each fold and head."""
    by_fold = frame.group_by("fold", "head").agg(pl.col("n_fit").max()).sort("fold", "head")
    return picture(
        lambda axes: lines(by_fold.with_columns(pl.col("head").cast(pl.String)), "fold", "n_fit", "head", axes),
        f"Rows fitted, by fold and head{origin_note(frame)}",
        "fold",
        "rows",
    )


def studies(frame: pl.DataFrame) -> bytes | None:
    """Best loss so far over the trials of each study."""
    done = frame.filter(pl.col("state") == "complete").sort("study_name", "trial")
    if done.is_empty():
        return None
    best = done.with_columns(
        best=pl.col("loss").cum_min().over("study_name"), study=pl.format("fold {}, {}", "fold", "head")
    )
    return picture(
        lambda axes: lines(best, "trial", "best", "study", axes),
        "Best loss over the inner folds so far",
        "trial",
        "loss",
    )


def scores(frame: pl.DataFrame) -> bytes | None:
    """Log loss of the direction by each model and fold."""
    by_fold = frame.filter(
        (pl.col("metric") == "log_loss") & (pl.col("head") == "direction") & pl.col("scope").str.starts_with("fold ")
    ).with_columns(
        fold=pl.col("scope").str.strip_prefix("fold ").cast(pl.Int64), model=pl.col("model_name").cast(pl.String)
    )
    if by_fold.is_empty():
        return None
    return picture(
        lambda axes: lines(by_fold.sort("fold"), "fold", "value", "model", axes),
        f"Direction: log loss out of sample by fold; lower is better{origin_note(frame)}",
        "fold",
        "nats",
    )


def drifted_share(frame: pl.DataFrame) -> bytes | None:
    """Share of the features that have drifted, and from where on the model counts as degraded."""
    known = frame.filter((pl.col("kind") == "feature") & (pl.col("status") != "insufficient"))
    if known.is_empty():
        return None
    shares = known.group_by("session").agg(
        drifted=(pl.col("status") == "drifted").mean() * 100, watched=(pl.col("status") == "watch").mean() * 100
    )
    long = shares.sort("session").unpivot(index="session", variable_name="status", value_name="share")

    def draw(axes: Axes) -> None:
        lines(long, "session", "share", "status", axes)
        axes.axhline(5.0, color=GREY, linewidth=0.8)

    return picture(draw, f"Features away from their training rows{origin_note(frame)}", "session", "% of features")


def gates(frame: pl.DataFrame) -> bytes | None:
    """Gates of the newest decision: passed or not."""
    if frame.is_empty():
        return None
    newest = frame.filter(pl.col("document_sha256") == frame["document_sha256"][-1])
    by_gate = newest.group_by("gate").agg(pl.col("passed").all()).sort("gate")

    def draw(axes: Axes) -> None:
        for place, (gate, passed) in enumerate(by_gate.iter_rows()):
            axes.barh(place, 1.0, color=BLUE if passed else ORANGE)
            axes.text(0.02, place, f"{gate}: {'passed' if passed else 'failed'}", va="center", color="white")
        axes.set_yticks([])
        axes.set_xticks([])
        axes.invert_yaxis()

    return picture(draw, f"Gates of {newest['model_version'][0]}", "", "")


def probabilities(frame: pl.DataFrame) -> bytes | None:
    """Predicted probability of a rise less that of a fall."""
    answered = frame.filter(pl.col("abstain_reason").is_null()).with_columns(edge=pl.col("p_up") - pl.col("p_down"))
    if answered.is_empty():
        return None
    return picture(
        lambda axes: lines(answered, "session", "edge", "symbol", axes),
        f"Predicted edge, {answered['horizon_bars'][0]} sessions ahead{origin_note(answered)}",
        "session",
        "p(up) - p(down)",
    )


def information_coefficients(report: pl.DataFrame) -> bytes:
    """Information coefficients after 5 sessions with two standard errors; a bar wholly beyond a line alarms."""
    kinds = (("ic_5", "across symbols", BLUE), ("time_series_ic_5", "over time", GREY))

    def draw(axes: Axes) -> None:
        for name, words, colour in kinds:
            known = report.drop_nulls([name, f"{name}_error"])
            axes.errorbar(
                known["number"],
                known[name],
                yerr=2.0 * known[f"{name}_error"],
                fmt=".",
                markersize=3,
                linewidth=0.6,
                color=colour,
                label=words,
            )
        for level in (-ALARM_IC, ALARM_IC):
            axes.axhline(level, color=ORANGE, linewidth=0.8)

    title = f"What features foretold of 5 sessions, two standard errors{origin_note(report)}"
    return picture(draw, title, "number of the feature", "correlation")


def drift(report: pl.DataFrame) -> bytes:
    """Population stability index of the last 60 sessions, and from where on it counts as drift."""

    def draw(axes: Axes) -> None:
        known = report.drop_nulls("psi_60_sessions")
        axes.bar(known["number"], known["psi_60_sessions"], color=BLUE, width=1.0)
        for level in (WATCH_FROM, DRIFTED_ABOVE):
            axes.axhline(level, color=ORANGE, linewidth=0.8)

    title = f"Drift of the last 60 sessions{origin_note(report)}"
    return picture(draw, title, "number of the feature", "population stability index")


def redundancy(report: pl.DataFrame) -> bytes:
    """How much of every feature another one repeats."""
    known = report.drop_nulls("nearest_correlation")
    return picture(
        lambda axes: bars(known["number"], known["nearest_correlation"].abs(), axes),
        f"Largest correlation of ranks with another feature{origin_note(report)}",
        "number of the feature",
        "absolute correlation",
    )
