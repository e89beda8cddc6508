"""Whether a result may be published, and what stands against it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

MAX_SHARE_AMBIGUOUS = 0.05
"""More closed trades than this whose stop and target lay inside one bar fail a run (B-5.2)."""

BLOCKING_LABELS = {
    "diagnostic_no_cost": "a cost is set to zero",
    "opposite_intrabar": "the intrabar rule is turned round: a bound, not a result",
    "trials_uncounted": "the trials of its family could not be counted",
    "incomplete": "a unit of work failed",
}
NOT_REPLAYED = "its orders were not replayed on "


def publication(
    labels: Iterable[str], share_ambiguous: float | None, further: Sequence[str] = ()
) -> tuple[bool, str | None]:
    """Return whether a run is publishable and the conditions that do not hold, joined by ``; ``.

    Parameters
    ----------
    labels
        Labels of the run.
    share_ambiguous
        Share of closed trades flagged ambiguous; None without closed trades.
    further
        Conditions that fail elsewhere: statistics that are missing, engines that did not run.

    Examples
    --------
    >>> publication(["spread_proxy"], 0.01)
    (True, None)
    >>> publication(["diagnostic_no_cost"], 0.2)[1]
    'a cost is set to zero; 20.0 % of closed trades are ambiguous inside a bar, more than 5.0 %'
    """
    found = [BLOCKING_LABELS[label] for label in sorted(set(labels)) if label in BLOCKING_LABELS]
    if share_ambiguous is not None and share_ambiguous > MAX_SHARE_AMBIGUOUS:
        found.append(
            f"{share_ambiguous:.1%} of closed trades are ambiguous inside a bar, more than "
            f"{MAX_SHARE_AMBIGUOUS:.1%}".replace("%", " %")
        )
    found += further
    return not found, "; ".join(found) or None


def unreconciled(runs: pl.DataFrame, absent: Sequence[str]) -> pl.DataFrame:
    """Return rows of ``backtests.runs`` that say which other engines did not replay their orders (B-8.1).

    A run without fills has nothing to replay. What an earlier night said of engines is said anew.

    Parameters
    ----------
    runs
        Rows of ``backtests.runs``.
    absent
        Names of the engines that are not there.

    Examples
    --------
    >>> runs = pl.DataFrame({"n_fills": [3, 0], "is_publishable": [True, True], "blocked_by": [None, None]},
    ...     schema_overrides={"blocked_by": pl.String})
    >>> unreconciled(runs, ["zipline"]).rows()
    [(3, False, 'its orders were not replayed on zipline'), (0, True, None)]
    """
    told = []
    for n_fills, blocked_by in runs.select("n_fills", "blocked_by").iter_rows():
        parts = [part for part in (blocked_by or "").split("; ") if part and not part.startswith(NOT_REPLAYED)]
        if n_fills and absent:
            parts.append(f"{NOT_REPLAYED}{', '.join(absent)}")
        told.append("; ".join(parts) or None)
    blocked = pl.Series(told, dtype=pl.String)
    return runs.with_columns(is_publishable=blocked.is_null(), blocked_by=blocked)
