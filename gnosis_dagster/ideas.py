"""The ideas of the last session on the terminal, as a person reads them."""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from gnosis_dagster.settings import Settings

TABLE = "trades.ideas"
EVENT_ODDS = ("p_event", "p_low", "p_high")
DIRECTION_ODDS = ("p_up", "p_down")
BARRIERS = ("target_log", "stop_log")
SIDES = {1: "long", 0: "flat", -1: "short"}


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``ideas`` to the command line."""
    ideas = commands.add_parser("ideas", help="the last session's ideas: side, size, odds, reasons")
    ideas.add_argument("--symbol", metavar="SYMBOL", help="one symbol with everything that is stored about its idea")


def ideas(options: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Print the ideas of the last stored session."""
    from resources.lake import Lake

    lake = Lake(settings.home)
    stored = lake.sessions(TABLE)
    if not stored:
        print(f"gnosis: expected ideas in {settings.home}, found none: run `gnosis run` first", file=sys.stderr)
        return 2
    rows = lake.scan(TABLE, stored[-1], stored[-1]).collect().sort("symbol")
    symbols = rows["symbol"].unique().sort().to_list()
    if options.symbol is not None and options.symbol not in symbols:
        print(
            f"gnosis: expected a symbol with an idea of {stored[-1]}: {', '.join(symbols) or 'none has one'}; found "
            f"{options.symbol!r}",
            file=sys.stderr,
        )
        return 2
    chosen = rows if options.symbol is None else rows.filter(pl.col("symbol") == options.symbol)
    console.print(
        f"Ideas decided at the close of {stored[-1]} for the next open, in {settings.home}\n", highlight=False
    )
    if chosen.is_empty():
        console.print("None: no symbol could be judged.")
    for row in chosen.iter_rows(named=True):
        for line in described(row, chosen.columns):
            console.print(line, soft_wrap=True, highlight=False, markup=False)
        console.print()
    if options.symbol is not None:
        _show_details(chosen, console)
    return 0


def described(row: dict[str, Any], columns: Sequence[str]) -> list[str]:
    """Return an idea in the words of a person, from the columns that its table has.

    Parameters
    ----------
    row
        One row of ``trades.ideas``.
    columns
        Columns of the stored table: what it does not keep is said to be missing, not made up.

    Returns
    -------
    list of str
        Side and size, odds, reasons, and what would prove the idea wrong.

    Examples
    --------
    >>> idea = {"symbol": "ABC", "side": "long", "target_weight": 0.1, "p_up": 0.6, "p_down": 0.3, "horizon_bars": 5.0,
    ...     "veto": None, "rationale": "calm", "synthetic": True}
    >>> for line in described(idea, list(idea)):
    ...     print(line)
    ABC: long 10.00% of equity (generated inputs)
      odds: rise 60.0%, fall 30.0% within 5 sessions; the table keeps no interval
      reasons: calm
      wrong if: 5 sessions after the next open the price has not risen beyond the dead zone of its label
    """
    side = SIDES.get(row["side"], row["side"])
    origin = " (generated inputs)" if row["synthetic"] else ""
    size = "" if side == "flat" else f" {abs(row['target_weight']):.2%} of equity"
    veto = f", vetoed: {row['veto']}" if row.get("veto") else ""
    lines = [f"{row['symbol']}: {side}{size}{veto}{origin}", f"  odds: {_odds(row, columns)}"]
    lines.append(f"  reasons: {row['rationale']}")
    lines.append(f"  wrong if: {_disproof(row, side, columns)}")
    return lines


def _horizon(row: dict[str, Any]) -> str:
    return "an unknown horizon" if row["horizon_bars"] is None else f"{row['horizon_bars']:.0f} sessions"


def _odds(row: dict[str, Any], columns: Sequence[str]) -> str:
    if set(EVENT_ODDS) <= set(columns):
        if row["p_event"] is None:
            return "none stated"
        low, high = row["p_low"], row["p_high"]
        interval = "no interval stated" if low is None or high is None else f"80% interval {low:.1%} to {high:.1%}"
        return f"target before stop {row['p_event']:.1%} within {_horizon(row)}, {interval}"
    if any(row[name] is None for name in DIRECTION_ODDS):
        return "none stated"
    odds = f"rise {row['p_up']:.1%}, fall {row['p_down']:.1%} within {_horizon(row)}"
    return f"{odds}; the table keeps no interval"


def _disproof(row: dict[str, Any], side: str, columns: Sequence[str]) -> str:
    if set(BARRIERS) <= set(columns) and row["stop_log"] is not None and row["target_log"] is not None:
        stop, target = (math.expm1(row[name]) for name in reversed(BARRIERS))
        return (
            f"within {_horizon(row)} the price moves {stop:+.2%} from the next open before it moves {target:+.2%}, or "
            "does neither"
        )
    if side == "flat":
        return "nothing is claimed"
    moved = "risen" if side == "long" else "fallen"
    return f"{_horizon(row)} after the next open the price has not {moved} beyond the dead zone of its label"


def _show_details(row: pl.DataFrame, console: Console) -> None:
    """Print every stored column with its unit and meaning."""
    from rich import box
    from rich.table import Table as Grid

    from gnosis.tables import TABLES

    table = TABLES[TABLE]
    grid = Grid("column", "value", "unit", "meaning", title="Everything stored", title_justify="left", box=box.SIMPLE)
    for name, value in row.row(0, named=True).items():
        said = "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
        grid.add_row(name, said, table.unit(name), table.description(name))
    console.print(grid)
