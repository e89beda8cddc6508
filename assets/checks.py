"""Checks of stored tables. A blocking check that fails stops everything downstream of the table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis import sessions as exchange
from gnosis.tables import Table
from resources.providers.rejections import SET_ASIDE

if TYPE_CHECKING:
    from assets.night import Night
    from resources.lake import Lake

MAX_QUARANTINED_SHARE = 0.20
CHAINS = "raw.option_quotes"
BASIS = {
    "greeks.option_greeks": (CHAINS, None, "chain"),
    "greeks.forwards": (CHAINS, None, "chain"),
    "greeks.exposure": (CHAINS, pl.col("open_interest") > 0, "open interest"),
    "greeks.levels": (CHAINS, None, "chain"),
    "engines.elasticity": (CHAINS, None, "chain"),
    "engines.calibration": (CHAINS, None, "chain"),
}
"""What a session must have for a table to have rows of it: rows of another table, which of them, and their name."""
MAY_HAVE_NO_ROWS = (
    "raw.macro",
    "raw.dividends",
    "raw.splits",
    "raw.intraday_bars",
    "raw.order_books",
    "raw.trades",
    "raw.short_volume",
    "raw.dix",
    "raw.posts",
    "raw.news",
    "raw.crypto_bars",
    "raw.crypto_tickers",
    "raw.quality_events",
    "greeks.surface",
    "greeks.surface_certificate",
    "engines.document_scores",
    "engines.elasticity_surface",
    "models.labels",
    "models.drift",
    "trades.simulations",
    "trades.legs",
)
"""Tables of which a session may rightly have no rows: nothing became known, or too little was quoted or collected."""

TELLS_OF_THE_PAST = ("raw.quality_events",)
"""Tables about how data came in: what a late fetch finds out about a session is known only then."""


@dataclass(frozen=True)
class Stored:
    """What a check looks at: the rows that the lake holds for the sessions just made.

    Attributes
    ----------
    sessions
        Sessions just made; None for a table that is not cut by session.
    is_served
        False for a raw table that the provider does not have.
    may_begin_late
        True when the provider may not reach back to the first session: the table then begins later, without a gap.
    night
        The night that made the rows, for a check that makes some of them again.
    """

    table: Table
    lake: Lake
    rows: pl.LazyFrame
    sessions: Sequence[dt.date] | None
    is_served: bool = True
    may_begin_late: bool = False
    night: Night | None = None


@dataclass(frozen=True)
class Finding:
    """Outcome of a check in words and figures.

    Attributes
    ----------
    is_tolerable
        True when a failure is worth knowing and leaves nothing wrong downstream: even a blocking check only warns.
    """

    passed: bool
    finding: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    is_tolerable: bool = False


@dataclass(frozen=True)
class TableCheck:
    """A named rule about a stored table."""

    name: str
    description: str
    look: Callable[[Stored], Finding]
    is_blocking: bool = True


@dataclass(frozen=True)
class Result(Finding):
    """A finding with the name of its check."""

    name: str = ""
    is_blocking: bool = True


def _schema(stored: Stored) -> Finding:
    found = dict(stored.rows.collect_schema())
    expected = dict(stored.table.polars_schema)
    wrong = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    return Finding(
        not wrong, f"{len(expected)} columns as in the dictionary" if not wrong else f"columns {wrong} differ"
    )


def _unique_key(stored: Stored) -> Finding:
    counts = stored.rows.select(rows=pl.len(), keys=pl.struct(stored.table.key).n_unique()).collect()
    rows, keys = counts.row(0)
    return Finding(rows == keys, f"{rows} rows, {keys} different keys", {"rows": rows, "keys": keys})


def _known_in_time(stored: Stored) -> Finding:
    next_open = exchange.schedule().lazy().select("session", next_open=pl.col("open_at").shift(-1))
    # A row that was restated was known late by nature: what counts is when its first version was.
    first_known = stored.lake.scan(stored.table.name, *_span(stored), night_of="newest")
    late = (
        first_known.select("session", "known_at")
        .join(next_open, on="session", how="left")
        .select(late=(pl.col("known_at") > pl.col("next_open")).sum(), rows=pl.len())
        .collect()
    )
    n_late, n_rows = late.row(0)
    return Finding(
        n_late == 0,
        f"{n_late} of {n_rows} rows were known only after the next session had opened",
        {"late_rows": n_late, "rows": n_rows},
    )


def _span(stored: Stored) -> tuple[dt.date | None, dt.date | None]:
    return (stored.sessions[0], stored.sessions[-1]) if stored.sessions else (None, None)


def _no_session_missing(stored: Stored) -> Finding:
    asked = stored.sessions or []
    expected, basis = asked, "chain"
    if stored.table.name in BASIS and asked:
        source, which, basis = BASIS[stored.table.name]
        rows = stored.lake.scan(source, asked[0], asked[-1])
        with_basis = _sessions_of(rows if which is None else rows.filter(which))
        expected = [session for session in asked if session in with_basis]
    present = _sessions_of(stored.rows)
    missing = [session.isoformat() for session in expected if session not in present]
    words = f"{len(expected) - len(missing)} of {len(expected)} sessions have rows"
    if len(expected) < len(asked):
        words += f"; {len(asked) - len(expected)} sessions have no {basis}"
    if missing:
        words += f"; first without: {missing[0]}" if stored.is_served else "; the provider does not have it"
    return Finding(
        not missing,
        words,
        {"missing_sessions": len(missing), "first_missing": missing[0] if missing else ""},
        # A chain that is not there leaves nulls with reasons behind it; a bar that is not there leaves gaps in returns.
        is_tolerable=stored.table.name == CHAINS or not stored.is_served or _begins_after(stored, missing),
    )


def _begins_after(stored: Stored, missing: Sequence[str]) -> bool:
    """Return True when the table may begin late and has its first row after the last missing session."""
    if not (stored.may_begin_late and missing):
        return False
    first = stored.lake.scan(stored.table.name).select(pl.col("session").min()).collect().item()
    return first is not None and missing[-1] < first.isoformat()


def _sessions_of(rows: pl.LazyFrame) -> set[dt.date]:
    return set(rows.select("session").unique().collect()["session"])


def _no_symbol_missing(stored: Stored) -> Finding:
    """Compare each session with the one before it, so that one night finds what a backfill finds."""
    asked = stored.sessions or []
    calendar = exchange.schedule()["session"]
    before = calendar[max(int(calendar.search_sorted(asked[0])) - 1, 0)]
    keys = stored.lake.scan(stored.table.name, before, asked[-1]).select("symbol", "session").unique().collect()
    following = keys.select("session").unique().sort("session").with_columns(next=pl.col("session").shift(-1))
    due = keys.join(following, on="session").filter(pl.col("next").is_not_null())
    gone = due.join(keys, left_on=["symbol", "next"], right_on=["symbol", "session"], how="anti")
    names = gone["symbol"].unique().sort().to_list()
    first = f", first in {gone['next'].sort()[0]}" if names else ""
    return Finding(not names, f"symbols missing: {names or 'none'}{first}", {"symbols_missing": len(names)})


def _few_quarantined(stored: Stored) -> Finding:
    name = f"quarantine.{stored.table.room}_{stored.table.short_name}"
    asked = stored.sessions or []
    bad = stored.lake.scan(name, first=asked[0], last=asked[-1])
    # A chain of which nothing is left cannot mislead; the sessions without one are counted by another check.
    judged = sorted(_sessions_of(stored.rows)) if stored.table.name == CHAINS else list(asked)
    by_rule = bad.filter(pl.col("session").is_in(judged)).group_by("rule").len().sort("rule").collect()
    n_bad = int(by_rule.filter(~pl.col("rule").is_in(SET_ASIDE))["len"].sum())
    n_aside = int(by_rule["len"].sum()) - n_bad
    n_good = int(stored.rows.select(pl.len()).collect().item())
    share = n_bad / (n_bad + n_good) if n_bad + n_good else 0.0
    return Finding(
        share <= MAX_QUARANTINED_SHARE,
        f"{n_bad} of {n_bad + n_good} rows quarantined; at most {MAX_QUARANTINED_SHARE:.0%} is accepted"
        + (f"; {n_aside} more were set aside without being wrong" if n_aside else ""),
        {"quarantined_rows": n_bad, "set_aside_rows": n_aside, "share": share} | dict(by_rule.rows()),
    )


SCHEMA = TableCheck("schema", "Stored columns and dtypes are those of the data dictionary.", _schema)
UNIQUE_KEY = TableCheck("unique_key", "No key occurs twice.", _unique_key)
KNOWN_IN_TIME = TableCheck("known_in_time", "Every row was known before the next session opened.", _known_in_time)
NO_SESSION_MISSING = TableCheck(
    "no_session_missing",
    "Every session that was asked for has rows. A session without a chain is only a warning: nothing is made from "
    "chains for it, and every session with a chain (exposures: with open interest) has what is made from it.",
    _no_session_missing,
)
NO_SYMBOL_MISSING = TableCheck(
    "no_symbol_missing",
    "Every symbol of a session is also in the next one.",
    _no_symbol_missing,
    is_blocking=False,
)
FEW_QUARANTINED = TableCheck("few_quarantined", "Few rows broke the table's rules.", _few_quarantined)


def checks_of(table: Table) -> tuple[TableCheck, ...]:
    """Return the checks that hold for every table of this form."""
    columns = table.polars_schema
    found = [SCHEMA, UNIQUE_KEY]
    if table.period != "all":
        found.append(FEW_QUARANTINED)
        if "known_at" in columns and table.name not in TELLS_OF_THE_PAST:
            found.append(KNOWN_IN_TIME)
        if table.name not in MAY_HAVE_NO_ROWS:
            found.append(NO_SESSION_MISSING)
        if table.key == ["session", "symbol"]:
            found.append(NO_SYMBOL_MISSING)
    return tuple(found)


def evaluate(
    table_checks: Sequence[TableCheck],
    table: Table,
    lake: Lake,
    sessions: Sequence[dt.date] | None,
    *,
    is_served: bool = True,
    may_begin_late: bool = False,
    night: Night | None = None,
) -> Iterator[Result]:
    """Apply the checks to what the lake now holds for ``sessions``."""
    rows = lake.scan(table.name, sessions[0], sessions[-1]) if sessions else lake.scan(table.name)
    stored = Stored(table, lake, rows, sessions, is_served, may_begin_late, night)
    for check in table_checks:
        finding = check.look(stored)
        is_blocking = check.is_blocking and not finding.is_tolerable
        yield Result(finding.passed, finding.finding, finding.figures, name=check.name, is_blocking=is_blocking)
