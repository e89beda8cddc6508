"""The calibration ledger: the odds of every idea are written down before and resolved after, and no row ever changes.

A row at birth defines the event: instrument, side, entry at the next open, target, stop, horizon and the rule for the
exit price. A second row tells what became of it, whether it was traded or not.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from gnosis.sessions import schedule
from gnosis.tables.calibration import CALIBRATION
from gnosis.trading.calibration_chain import FIRST_PREVIOUS, Head, LedgerError, sealed, verify_chain
from gnosis.trading.calibration_resolution import resolution_rows
from gnosis.trading.shrinkage import ShrinkageMap, shrinkage_map

IDEA = pl.Schema(
    {
        "session": pl.Date(),
        "symbol": pl.String(),
        "idea_id": pl.String(),
        "as_of": pl.Datetime("us", "UTC"),
        "structure": pl.String(),
        "side": pl.Int8(),
        "horizon_bars": pl.Int64(),
        "target_log": pl.Float64(),
        "stop_log": pl.Float64(),
        "p_raw": pl.Float64(),
        "p_event": pl.Float64(),
        "p_low": pl.Float64(),
        "p_high": pl.Float64(),
        "p_baseline": pl.Float64(),
        "model_version": pl.String(),
        "regime": pl.String(),
        "policies": pl.String(),
        "map_intercept": pl.Float64(),
        "map_slope": pl.Float64(),
        "map_n_ideas": pl.Int64(),
        "known_at": pl.Datetime("us", "UTC"),
        "provider": pl.String(),
        "synthetic": pl.Boolean(),
    }
)
"""Columns of an idea at birth: those of ``trades.calibration`` with the same names. ``regime`` and ``policies`` may be
null."""

_ORDER = ["session", "kind", "symbol", "horizon_bars", "idea_id"]


def births(ideas: pl.DataFrame, head: Head | None = None) -> pl.DataFrame:
    """Return one row of the ledger per idea.

    Parameters
    ----------
    ideas
        Rows with the columns of :data:`IDEA`, one per ``idea_id``, whether they are traded or not.
    head
        End of the ledger that they follow; None: its beginning.

    Returns
    -------
    polars.DataFrame
        Rows of ``trades.calibration`` in the order of session, symbol, horizon and ``idea_id``.

    Raises
    ------
    ValueError
        For missing columns, nulls, repeated ideas, probabilities outside (0, 1), an interval that is turned around, or
        a target that is no gain or a stop that is no loss for the side.

    Examples
    --------
    >>> births(IDEA.to_frame()).height
    0
    """
    return sealed(_birth_rows(ideas).sort(_ORDER), head or Head())


def resolutions(ledger: pl.DataFrame, bars: pl.DataFrame, as_of: dt.datetime) -> pl.DataFrame:
    """Return the second rows of the ideas of a ledger that have become known and have none yet.

    Parameters
    ----------
    ledger
        Rows of ``trades.calibration``.
    bars
        Rows of ``raw.equity_bars`` from the session after the first open idea on; those known after ``as_of`` count as
        missing.
    as_of
        Knowledge cut-off, UTC.

    Returns
    -------
    polars.DataFrame
        Rows of ``trades.calibration`` that follow the ledger.

    Raises
    ------
    ValueError
        For bars that begin after an open idea's entry.
    """
    rows = resolution_rows(_open(ledger), bars, as_of)
    return sealed(rows.sort(_ORDER), Head.of(ledger))


def extended(ledger: pl.DataFrame, ideas: pl.DataFrame, bars: pl.DataFrame, as_of: dt.datetime) -> pl.DataFrame:
    """Return the ledger with the births and resolutions that are known at ``as_of`` and not in it yet.

    New rows come session by session, so that many sessions at once give the rows that single nights give.

    Parameters
    ----------
    ledger
        Rows of ``trades.calibration``.
    ideas
        Rows with the columns of :data:`IDEA`; those that the ledger has are left as they were written.
    bars, as_of
        As for :func:`resolutions`.
    """
    ledger = ledger.sort("sequence")
    born = _birth_rows(ideas.filter(pl.col("as_of") <= as_of).join(ledger, on="idea_id", how="anti"))
    pending = pl.concat([_open(ledger), _whole(born)])
    added = pl.concat([born, resolution_rows(pending, bars, as_of)], how="diagonal_relaxed").sort(_ORDER)
    return pl.concat([ledger, sealed(added, Head.of(ledger))])


def first_open_session(ledger: pl.DataFrame, ideas: pl.DataFrame) -> dt.date | None:
    """Return the earliest session of an idea that has not resolved, None without one: bars are needed from it on."""
    waiting = pl.concat([_open(ledger)["session"], ideas.join(ledger, on="idea_id", how="anti")["session"]])
    found: dt.date | None = waiting.min()  # type: ignore[assignment]
    return found


def resolved_ideas(ledger: pl.DataFrame, as_of: dt.datetime | None = None) -> pl.DataFrame:
    """Return births beside their outcomes: the ideas whose event is known to have happened or not.

    Parameters
    ----------
    ledger
        Rows of ``trades.calibration``.
    as_of
        Only what was known then; None: everything.

    Returns
    -------
    polars.DataFrame
        Birth rows with ``happened`` (Boolean), ``outcome``, ``is_ambiguous`` and ``resolved_at``, in the order of the
        ledger.
    """
    known = ledger if as_of is None else ledger.filter(pl.col("known_at") <= as_of)
    second = known.filter(kind="resolution").drop_nulls("outcome")
    told = second.select("idea_id", "outcome", "is_ambiguous", resolved_at="known_at")
    first = known.filter(kind="birth").drop("outcome", "is_ambiguous").sort("sequence")
    joined = first.join(told, on="idea_id", how="inner", maintain_order="left")
    return joined.with_columns(happened=pl.col("outcome") == "target")


def refit(ledger: pl.DataFrame, as_of: dt.datetime) -> ShrinkageMap:
    """Return the map of earlier odds for the decisions at ``as_of``, from the ideas that had resolved by then.

    Examples
    --------
    >>> refit(CALIBRATION.empty(), dt.datetime(2024, 1, 2, tzinfo=dt.UTC)).slope
    1.0
    """
    known = resolved_ideas(ledger, as_of)
    return shrinkage_map(known["p_raw"].to_numpy(), known["happened"].to_numpy().astype(bool))


def _birth_rows(ideas: pl.DataFrame) -> pl.DataFrame:
    _require(ideas)
    exchange = schedule().select("session", "close_at")
    ends = exchange["session"].search_sorted(ideas["session"]).cast(pl.Int64) + ideas["horizon_bars"]
    return ideas.select(list(IDEA)).with_columns(
        kind=pl.lit("birth", CALIBRATION.polars_schema["kind"]),
        entry_rule=pl.lit("next_open"),
        exit_price_rule=pl.lit("barrier_or_open_beyond"),
        resolves_at=exchange["close_at"].gather(ends),
    )


def _open(ledger: pl.DataFrame) -> pl.DataFrame:
    done = ledger.filter(kind="resolution").select("idea_id")
    return ledger.filter(kind="birth").join(done, on="idea_id", how="anti", maintain_order="left")


def _whole(rows: pl.DataFrame) -> pl.DataFrame:
    schema = CALIBRATION.polars_schema
    missing = [pl.lit(None).alias(name) for name in schema if name not in rows.columns]
    return rows.with_columns(missing).select(list(schema)).cast(schema)


def _require(ideas: pl.DataFrame) -> None:
    if wrong := [name for name, dtype in IDEA.items() if ideas.schema.get(name) != dtype]:
        raise ValueError(f"expected ideas with the columns and dtypes of IDEA, found others or none for {wrong}")
    told = [name for name in IDEA if name not in ("regime", "policies")]
    nulls = {name: n for name, n in ideas.select(pl.col(told).null_count()).row(0, named=True).items() if n}
    if nulls:
        raise ValueError(f"expected ideas without nulls, found {nulls}: an idea without odds has no event to register")
    side, odds = pl.col("side"), pl.col("p_raw", "p_event", "p_baseline")
    rules = {
        "an idea_id of its own": ~pl.col("idea_id").is_duplicated(),
        "side 1 or -1": side.abs() == 1,
        "a horizon of 1 session or more": pl.col("horizon_bars") >= 1,
        "a target that is a gain and a stop that is a loss": (side * pl.col("target_log") > 0)
        & (side * pl.col("stop_log") < 0),
        "probabilities within (0, 1)": pl.all_horizontal((odds > 0.0) & (odds < 1.0)),
        "0 <= p_low <= p_high <= 1": pl.col("p_low").is_between(0.0, pl.col("p_high")) & (pl.col("p_high") <= 1.0),
        "a session of the exchange": pl.col("session").is_in(schedule()["session"].implode()),
    }
    for rule, holds in rules.items():
        broken = ideas.filter(~holds)
        if broken.height:
            row = broken.row(0, named=True)
            raise ValueError(f"expected every idea with {rule}, found {broken.height} others, first {row}")


__all__ = [
    "FIRST_PREVIOUS",
    "IDEA",
    "Head",
    "LedgerError",
    "births",
    "extended",
    "first_open_session",
    "refit",
    "resolutions",
    "resolved_ideas",
    "verify_chain",
]
