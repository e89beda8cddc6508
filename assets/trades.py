"""The trades room: ideas for the next open with everything behind them, published once."""

from functools import partial

import dagster as dg
import polars as pl

from assets import trade_checks as checks
from assets.night import Night, TableRows
from assets.plots import trades as plots
from assets.table_asset import table_asset
from gnosis.trading.policy_inputs import READS

MADE = (
    "trades.ideas",
    "trades.policy_votes",
    "trades.compositions",
    "trades.simulations",
    "trades.legs",
    "trades.lineage",
)
PAST = ("trades.policy_votes", "trades.compositions", "trades.ideas")
WITH_HISTORY = ("engines.elasticity", "engines.sentiment")
KEPT = ("session", "symbol", "known_at", "provider", "synthetic")


@table_asset(
    *MADE,
    reads=("models.predictions", *READS, "models.labels", "raw.equity_bars", "raw.option_quotes"),
    feedback=PAST,
    plots={"trades.ideas": plots.sides, "trades.compositions": plots.contributions},
    own_checks=checks.TRADES,
)
def ideas(night: Night) -> dict[str, pl.DataFrame | TableRows]:
    """Odds from the votes of five policies, an event with its simulation, a size by every factor, and what forbids it.

    Published once. Weights and maps are learned from votes and ideas published before.
    """
    from gnosis.trading.decision_state import HISTORY_SESSIONS
    from gnosis.trading.ideas import Past
    from gnosis.trading.ideas import ideas as decided
    from gnosis.trading.lineage import lineage

    tables = {
        name: night.read(
            name,
            lookback=HISTORY_SESSIONS if name in WITH_HISTORY else 0,
            columns=list(dict.fromkeys((*KEPT, *columns))),
        )
        for name, columns in READS.items()
    }
    predictions = night.read("models.predictions")
    bars = night.read_all("raw.equity_bars")
    made = decided(predictions, tables, bars, night.read_all("models.labels"), Past(*map(night.past, PAST)))
    quotes = night.read("raw.option_quotes")
    edges = {"trades.lineage": lineage(made, predictions, tables, bars, quotes)}
    return made | edges | {"trades.ideas": _as_read(night, made["trades.ideas"])}


def _as_read(night: Night, ideas: pl.DataFrame) -> TableRows:
    """Return the ideas with what a person reads of the newest: words, odds, sizes, profit."""
    newest = ideas.filter(pl.col("session") == night.last)
    told = [
        f"- **{row['symbol']}** {row['rationale']}"
        + (f" Wrong if {row['thesis_wrong_if']}." if row["thesis_wrong_if"] else "")
        for row in newest.iter_rows(named=True)
    ]
    pictures = (plots.size_waterfall, plots.event_odds, plots.payoff)
    has_event = newest["p_event"].is_not_null().any()
    return TableRows(
        ideas,
        metadata={"ideas": dg.MetadataValue.md("\n".join(told))},
        more_pictures={draw.__name__: partial(draw, ideas) for draw in pictures} if has_event else {},
    )
