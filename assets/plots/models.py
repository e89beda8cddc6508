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
    """Training rows of each fold."""
    by_fold = frame.select("fold", "n_train").unique().sort("fold")
    return picture(
        lambda axes: bars(by_fold["fold"], by_fold["n_train"], axes),
        f"Training rows by fold{origin_note(frame)}",
        "fold",
        "rows",
    )


def scores(frame: pl.DataFrame) -> bytes:
    """Log loss of each model by fold."""
    by_fold = frame.filter((pl.col("metric") == "log_loss") & (pl.col("scope") != "stitched"))
    by_fold = by_fold.with_columns(pl.col("scope").cast(pl.Int64), pl.col("model_name").cast(pl.String))
    return picture(
        lambda axes: lines(by_fold, "scope", "value", "model_name", axes),
        f"Out-of-sample log loss by fold; lower is better{origin_note(frame)}",
        "fold",
        "nats",
    )


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
