"""Production proof that stored labels saw no future: a sample is made again from bars that end with their session."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.checks import Finding, Stored, TableCheck
from assets.night import HistoryGapError
from gnosis.tables.models import HORIZONS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from assets.night import Night

LABELS = "models.labels"
READS = ("raw.equity_bars", "raw.intraday_bars")
MOST_SYMBOLS = 20


def made_labels(night: Night, symbols: Sequence[str] | None = None) -> pl.DataFrame:
    """Return the labels that became known in the sessions of a night, of all symbols or of some.

    No bar after the last session of the night is read.
    """
    from gnosis.learning.labels import LOOKBACK_SESSIONS, labels

    of_symbols = of_grid = None
    if symbols is not None:
        of_symbols = pl.col("symbol").is_in(symbols)
        # With the last session of the others a symbol that stopped trading keeps the sessions that it has missed.
        of_grid = of_symbols | (pl.col("session") == night.last)
    bars = night.read("raw.equity_bars", lookback=LOOKBACK_SESSIONS + max(HORIZONS), where=of_grid)
    finer = night.read("raw.intraday_bars", lookback=max(HORIZONS) - 1, where=of_symbols)
    return night.only(labels(bars, HORIZONS, intraday=finer))


def _comes_out_again(stored: Stored) -> Finding:
    if stored.night is None or not stored.sessions:
        return Finding(False, "nothing made again: there is no night to do it with", {"pairs": 0}, is_tolerable=True)
    from gnosis.learning.label_checks import differing_labels

    started = time.perf_counter()
    night = replace(stored.night, table=LABELS, reads=frozenset(READS), made=None)
    keys = stored.rows.select("session", "symbol").unique().collect()
    drawn = sample(keys, stored.sessions)
    differing, n_labels = [], 0
    try:
        for (session,), rows in drawn.group_by("session", maintain_order=True):
            symbols = rows["symbol"].to_list()
            is_drawn = pl.col("symbol").is_in(symbols)
            kept = stored.rows.filter((pl.col("session") == session) & is_drawn).collect()
            again = made_labels(replace(night, sessions=(session,)), symbols).filter(is_drawn)
            differing.append(differing_labels(kept, again))
            n_labels += kept.height
    except HistoryGapError as gap:
        # Older sessions were added with a gap: what was made before them cannot be made again, and is not wrong.
        return Finding(False, f"nothing made again: {gap}", {"pairs": 0}, is_tolerable=True)
    found = pl.concat(differing) if differing else keys.clear()
    figures = {
        "pairs": drawn.height,
        "labels": n_labels,
        "differing_labels": found.height,
        "sessions": ", ".join(str(session) for session in drawn["session"].unique().sort()) or "none",
        "seconds": round(time.perf_counter() - started, 3),
    }
    if found.is_empty():
        words = f"{n_labels} labels of {drawn.height} pairs of session and symbol come out again bit for bit"
        return Finding(True, words, figures)
    first, last = stored.sessions[0], stored.sessions[-1]
    words = (
        f"expected the labels of {drawn.height} pairs to come out again from bars up to their session, found "
        f"{found.height} that do not, first that of {found['symbol'][0]} known in {found['session'][0]}: make them "
        f"again with `gnosis run --from {first} --to {last} --again`"
    )
    return Finding(False, words, figures)


def sample(keys: pl.DataFrame, sessions: Sequence[dt.date]) -> pl.DataFrame:
    """Draw pairs to make again: the same ones for the same rows.

    Parameters
    ----------
    keys
        ``session`` and ``symbol`` of the stored labels.
    sessions
        Sessions just made, ascending; the last one with labels seeds the draw.

    Returns
    -------
    polars.DataFrame
        ``session`` and ``symbol``, sorted: the first and the last session with labels and one between them, and up to
        20 symbols of each.

    Examples
    --------
    >>> import datetime as dt
    >>> days = [dt.date(2024, 1, day) for day in (2, 3, 4, 5)]
    >>> keys = pl.DataFrame({"session": days, "symbol": "ABC"})
    >>> [str(day) for day in sample(keys, days)["session"]]
    ['2024-01-02', '2024-01-03', '2024-01-05']
    """
    rows = keys.filter(pl.col("session").is_in(list(sessions))).sort("session", "symbol")
    if rows.is_empty():
        return rows
    days = rows["session"].unique().sort()
    rng = np.random.default_rng(days[-1].toordinal())
    inner = rng.choice(np.arange(1, len(days) - 1), size=min(1, max(len(days) - 2, 0)), replace=False)
    chosen = days.gather(sorted({0, *inner.tolist(), len(days) - 1}))
    parts = []
    for day in chosen:
        symbols = rows.filter(pl.col("session") == day)
        kept = rng.choice(symbols.height, size=min(MOST_SYMBOLS, symbols.height), replace=False)
        parts.append(symbols[np.sort(kept)])
    return pl.concat(parts)


COMES_OUT_AGAIN = TableCheck(
    "comes_out_again",
    "Labels of a sample of sessions and symbols, made again from bars that end with the session in which they became "
    "known, are the stored ones to the bit: no label saw a bar from after its end.",
    _comes_out_again,
)
