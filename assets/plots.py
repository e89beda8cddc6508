"""One picture per table, for those that a person would rather look at than read. Each returns PNG bytes or None."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY = "#2166ac", "#d6604d", "#777777"
CYCLE = [BLUE, ORANGE, "#4d9221", "#762a83", "#b8860b", "#01665e", GREY]


def _picture(draw: Callable[[Axes], None], title: str, x: str, y: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.2), dpi=90)
    figure.subplots_adjust(left=0.25 if not y else 0.11, right=0.98, bottom=0.16, top=0.91)
    axes = figure.add_subplot()
    axes.set_prop_cycle(color=CYCLE)
    draw(axes)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, ncols=3, frameon=False)
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    return png.getvalue()


def _lines(frame: pl.DataFrame, x: str, y: str, by: str, axes: Axes) -> None:
    marker = "o" if frame[x].n_unique() < 3 else None
    for name in frame[by].unique().sort():
        part = frame.filter(pl.col(by) == name).sort(x)
        axes.plot(part[x], part[y], label=str(name), linewidth=1, marker=marker)


def _bars(x: pl.Series, y: pl.Series, axes: Axes) -> None:
    axes.bar(x, y, color=BLUE)


def _newest(frame: pl.DataFrame) -> str:
    return str(frame["session"].max())


def _origin(frame: pl.DataFrame) -> str:
    return " (synthetic)" if frame["synthetic"].any() else ""


def closes(frame: pl.DataFrame) -> bytes:
    """Closing price of each symbol relative to its first."""
    relative = frame.sort("session").with_columns(
        relative=pl.col("close") / pl.col("close").first().over("symbol") * 100
    )
    return _picture(
        lambda axes: _lines(relative, "session", "relative", "symbol", axes),
        f"Close, first session = 100{_origin(frame)}",
        "session",
        "index points",
    )


def quoted_spreads(frame: pl.DataFrame) -> bytes | None:
    """Median quoted spread by moneyness in the newest session."""
    newest = frame.filter((pl.col("session") == frame["session"].max()) & (pl.col("bid") > 0))
    if newest.is_empty():
        return None
    spread = newest.select(
        "symbol",
        moneyness=((pl.col("strike") / pl.col("spot")).log() * 20).round() / 20,
        spread=2 * (pl.col("ask") - pl.col("bid")) / (pl.col("ask") + pl.col("bid")) * 100,
    )
    medians = spread.group_by("symbol", "moneyness").agg(pl.col("spread").median()).sort("symbol", "moneyness")
    return _picture(
        lambda axes: _lines(medians, "moneyness", "spread", "symbol", axes),
        f"Median quoted spread, {_newest(frame)}{_origin(newest)}",
        "ln(strike / spot)",
        "% of mid",
    )


def series(frame: pl.DataFrame) -> bytes:
    """Observations of each series by reference date."""
    latest = frame.sort("known_at").unique(["series_id", "ref_date"], keep="last")
    return _picture(
        lambda axes: _lines(latest, "ref_date", "value", "series_id", axes),
        f"Latest vintage of each observation{_origin(frame)}",
        "reference date",
        "unit of the series",
    )


def smile(frame: pl.DataFrame) -> bytes | None:
    """Implied volatility by strike and expiry for one symbol of the newest session."""
    newest = frame.filter((pl.col("session") == frame["session"].max()) & (pl.col("iv_source") == "own"))
    if newest.is_empty():
        return None
    symbol = newest["symbol"].value_counts(sort=True)["symbol"][0]
    one = newest.filter(pl.col("symbol") == symbol).with_columns(pl.col("expiry").cast(pl.String))
    first = one["expiry"].unique().sort().head(6)
    one = one.filter(pl.col("expiry").is_in(first.implode())).unique(["expiry", "root", "strike"])
    return _picture(
        lambda axes: _lines(one.with_columns(vol=pl.col("iv") * 100), "strike", "vol", "expiry", axes),
        f"{symbol} implied volatility, {_newest(frame)}{_origin(one)}",
        "strike [$]",
        "vol points",
    )


def exposure_by_strike(frame: pl.DataFrame) -> bytes | None:
    """Dealer gamma exposure by strike for the symbol with the largest, newest session, naive convention."""
    newest = frame.filter((pl.col("session") == frame["session"].max()) & (pl.col("sign_convention") == "naive"))
    if newest.is_empty():
        return None
    size = newest.group_by("symbol").agg(pl.col("gex_usd_per_pct").abs().sum()).sort("gex_usd_per_pct", "symbol")
    symbol = size["symbol"][-1]
    one = (
        newest.filter(pl.col("symbol") == symbol).group_by("strike").agg(pl.col("gex_usd_per_pct").sum()).sort("strike")
    )
    colours = [BLUE if value >= 0 else ORANGE for value in one["gex_usd_per_pct"]]
    spot = newest.filter(pl.col("symbol") == symbol)["spot"][0]

    def draw(axes: Axes) -> None:
        gaps = one["strike"].diff().drop_nulls()
        axes.bar(one["strike"], one["gex_usd_per_pct"] / 1e6, width=float(gaps.min() or 1.0) * 0.8, color=colours)  # type: ignore[arg-type]
        axes.axvline(spot, color=GREY, linewidth=1, label=f"spot {spot:.2f}")

    title = f"{symbol} dealer gamma by strike, naive signs, {_newest(frame)}{_origin(newest)}"
    return _picture(draw, title, "strike [$]", "$m per 1 %")


def amplification(frame: pl.DataFrame) -> bytes:
    """Amplification of each symbol under the naive convention."""
    naive = frame.filter(pl.col("sign_convention") == "naive")

    def draw(axes: Axes) -> None:
        _lines(naive, "session", "amplification", "symbol", axes)
        axes.axhline(1.0, color=GREY, linewidth=1)

    title = f"Amplification of moves by dealer hedging, naive signs{_origin(frame)}"
    return _picture(draw, title, "session", "move with / without dealers")


def missing_by_column(frame: pl.DataFrame) -> bytes:
    """Share of missing values of each feature."""
    names = [name for name in frame.columns if name.startswith(("tech_", "regime_", "macro_"))]
    shares = [frame[name].null_count() / frame.height * 100 for name in names]

    def draw(axes: Axes) -> None:
        axes.barh(names, shares, color=BLUE)
        axes.set_xlim(0, 100)

    return _picture(draw, f"Missing values, {frame.height:,} rows{_origin(frame)}", "% of rows", "")


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

    return _picture(draw, f"Outcomes, {known.height:,} labels{_origin(frame)}", "horizon [sessions]", "% of labels")


def folds(frame: pl.DataFrame) -> bytes:
    """Training and test blocks of each fold on the time axis."""
    from matplotlib.dates import date2num

    def draw(axes: Axes) -> None:
        for row in frame.iter_rows(named=True):
            for first, last, colour in (("train_first", "train_last", BLUE), ("test_first", "test_last", ORANGE)):
                start = float(date2num(row[first]))
                axes.barh(row["fold"], float(date2num(row[last])) - start, left=start, color=colour, height=0.7)
        axes.xaxis_date()

    return _picture(draw, "Training (blue) and test (orange) blocks", "signal session", "fold")


def training_rows(frame: pl.DataFrame) -> bytes:
    """Training rows of each fold."""
    by_fold = frame.select("fold", "n_train").unique().sort("fold")
    return _picture(
        lambda axes: _bars(by_fold["fold"], by_fold["n_train"], axes),
        f"Training rows by fold{_origin(frame)}",
        "fold",
        "rows",
    )


def scores(frame: pl.DataFrame) -> bytes:
    """Log loss of each model by fold."""
    by_fold = frame.filter((pl.col("metric") == "log_loss") & (pl.col("scope") != "stitched"))
    by_fold = by_fold.with_columns(pl.col("scope").cast(pl.Int64), pl.col("model_name").cast(pl.String))
    return _picture(
        lambda axes: _lines(by_fold, "scope", "value", "model_name", axes),
        f"Out-of-sample log loss by fold; lower is better{_origin(frame)}",
        "fold",
        "nats",
    )


def probabilities(frame: pl.DataFrame) -> bytes | None:
    """Predicted probability of a rise less that of a fall."""
    answered = frame.filter(pl.col("abstain_reason").is_null()).with_columns(edge=pl.col("p_up") - pl.col("p_down"))
    if answered.is_empty():
        return None
    return _picture(
        lambda axes: _lines(answered, "session", "edge", "symbol", axes),
        f"Predicted edge, {answered['horizon_bars'][0]} sessions ahead{_origin(answered)}",
        "session",
        "p(up) - p(down)",
    )


def sides(frame: pl.DataFrame) -> bytes:
    """Target weights of the ideas."""
    return _picture(
        lambda axes: _lines(frame, "session", "target_weight", "symbol", axes),
        f"Target weight of each idea{_origin(frame)}",
        "session",
        "share of equity",
    )


def fills(frame: pl.DataFrame) -> bytes:
    """Fees and slippage accumulated over the fills."""
    costs = frame.sort("fill_number").select(
        "session", fees=pl.col("fee_usd").cum_sum(), slippage=pl.col("slippage_usd").cum_sum()
    )

    def draw(axes: Axes) -> None:
        for name in ("fees", "slippage"):
            axes.plot(costs["session"], costs[name], label=name, linewidth=1)

    return _picture(draw, f"Costs of {frame.height:,} fills, cumulated{_origin(frame)}", "session", "$")


def equity(frame: pl.DataFrame) -> bytes:
    """Equity curve of the strategy."""

    def draw(axes: Axes) -> Any:
        axes.plot(frame["session"], frame["equity_usd"] / 1e6, color=BLUE, linewidth=1, label="equity")
        axes.fill_between(
            frame["session"].to_list(),
            (frame["equity_usd"] / (1 + frame["drawdown"]) / 1e6).to_list(),
            (frame["equity_usd"] / 1e6).to_list(),
            color=ORANGE,
            alpha=0.3,
            label="below the maximum",
        )

    return _picture(draw, f"Equity after costs{_origin(frame)}", "session", "$m")
