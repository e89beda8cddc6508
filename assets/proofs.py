"""Production proof that stored features saw no future: a sampled night is made again from a lake with a damaged one.

The assets' own functions run, from the Greeks to the matrix, over a lake in memory whose rows are damaged where they
are about a later session than the sampled one or became known after the row's cut-off:

* truncation: they are gone, and the night is made alone. The stored bits must come out again, whether a night or a
  backfill had stored them.
* poison: they are garbage, and the night is made together with the sessions after it, as a backfill makes it. The
  stored bits must come out again.

Nothing is written. What the assets in between store of the sampled session is made anew as well; rows of earlier
sessions, and the scores of texts, are taken from the lake as inputs of the past.

Not seen: a dependence that leaves the single precision of the matrix as it is; one of symbols or sessions that were not
drawn; one on what became known between the cut-offs of a group table and of the matrix row, which is the latest of its
groups; and one on texts in their scores, since a scorer sees one text at a time.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.checks import Finding, Stored, TableCheck
from assets.night import HistoryGapError, Night
from assets.shadow_lake import PROOFS, TRUNCATION, Damage, ShadowLake
from gnosis import sessions as exchange
from gnosis.features import BY_NAME, FEATURES
from gnosis.features.proofs import same_bits
from gnosis.tables import TABLES
from resources.lake import Lake

if TYPE_CHECKING:
    from assets.table_asset import TableAsset

MATRIX = "features.matrix"
KEY = ["session", "symbol"]
INPUTS = ("engines.document_scores",)
"""Tables made by an asset that are inputs here: a scorer may be a service that is paid for each text."""
FOLLOWING_SESSIONS = 2
"""Sessions after the sampled one that are made from garbage beside it."""
NEWEST_SESSIONS = 60
"""Newest stored sessions among which the sample is drawn."""
SAMPLED_SYMBOLS = 2
MADE_PER_SAMPLED = 10
MOST_SAMPLED_SESSIONS = 5
"""One session is drawn for a night, and one more for every ten sessions of a range, up to five."""
WATCHED = (
    *(feature.name for feature in FEATURES),
    "missing_mask",
    "n_missing",
    "as_of",
    "confidence",
    "known_at",
    "provider",
    "synthetic",
)
"""Columns that must come out again: every feature, and what the row says of itself."""
REPORT = (
    {"column": pl.String, "proof": pl.String}
    | dict.fromkeys(("n_pairs", "n_nulls", "n_failures", "n_moved"), pl.Int64)
    | {"failed_sessions": pl.List(pl.Date)}
)


@cache
def _chain() -> Mapping[str, TableAsset]:
    """Return the asset of each table between the raw room and the matrix."""
    # The rooms import this module to declare their checks.
    from assets import table_assets

    assets = {table.name: asset for asset in table_assets() for table in asset.tables}
    found: dict[str, TableAsset] = {}
    waiting = [MATRIX]
    while waiting:
        name = waiting.pop()
        if name not in found and not name.startswith("raw.") and name not in INPUTS:
            found[name] = assets[name]
            waiting += sorted(assets[name].reads)
    return found


def prove(night: Night, pairs: pl.DataFrame, *, seed: int = 0) -> pl.DataFrame:
    """Make stored rows of ``features.matrix`` again without and with a poisoned future, and count what changes.

    Parameters
    ----------
    night
        Any night of the home; its lake is read, and nothing is written.
    pairs
        ``session`` and ``symbol`` of the rows to prove. Those of one session with the same cut-off are made together.
    seed
        Seed of the garbage.

    Returns
    -------
    polars.DataFrame
        Two rows per column of :data:`WATCHED`, one of each of :data:`PROOFS`: ``column``, ``proof``, ``n_pairs``,
        ``n_nulls`` (pairs whose stored value is null: they prove little), ``n_failures`` (pairs whose stored bits did
        not come out again), ``n_moved`` (pairs on which the two proofs give different bits, which only the future can
        have done; a failure without it says that the stored value does not follow from what is now stored: it was
        altered, or what it was made from was, or older sessions were added since) and ``failed_sessions``.

    Raises
    ------
    ValueError
        When a pair has no stored row.
    """
    wanted = pairs.select(KEY).unique().sort(KEY)
    stored = pl.concat(
        [
            night.lake.scan(MATRIX, session, session, columns=[*KEY, *WATCHED])
            .filter(pl.col("symbol").is_in(wanted.filter(pl.col("session") == session)["symbol"].to_list()))
            .collect()
            for session in wanted["session"].unique(maintain_order=True)
        ]
        or [TABLES[MATRIX].empty().select(*KEY, *WATCHED)]
    ).sort(KEY)
    if stored.height != wanted.height:
        lost = wanted.join(stored, on=KEY, how="anti").row(0)
        raise ValueError(
            f"expected a stored row of {MATRIX} for each of {wanted.height} pairs, found {stored.height}; without: "
            f"{lost[1]} of {lost[0]}. Make the session first"
        )
    again: dict[str, list[pl.DataFrame]] = {proof: [stored.clear()] for proof in PROOFS}
    for rows in stored.partition_by("session", "as_of", maintain_order=True):
        session, as_of, symbols = rows["session"][0], rows["as_of"][0], rows["symbol"].to_list()
        for proof in PROOFS:
            last = session if proof == TRUNCATION else exchange.shift_session(session, FOLLOWING_SESSIONS)
            made = exchange.sessions_between(session, last)
            lake = ShadowLake(night, _chain(), Damage(proof, session, as_of, seed), made, symbols)
            again[proof].append(lake.read(MATRIX, session, session, columns=[*KEY, *WATCHED]))
    sides = {
        proof: stored.select(KEY).join(pl.concat(frames), on=KEY, how="left", maintain_order="left")
        for proof, frames in again.items()
    }
    lines = []
    for name in WATCHED:
        n_moved = int((~same_bits(*(side[name] for side in sides.values()))).sum())
        for proof in PROOFS:
            has_failed = ~same_bits(stored[name], sides[proof][name])
            counts = (stored.height, stored[name].null_count(), int(has_failed.sum()), n_moved)
            lines.append((name, proof, *counts, stored["session"].filter(has_failed).unique().sort().to_list()))
    return pl.DataFrame(lines, schema=REPORT, orient="row")


def provable_sessions(lake: Lake, last: dt.date) -> list[dt.date]:
    """Return the newest stored sessions up to ``last`` that have a stored future, sorted."""
    stored = lake.sessions(MATRIX)
    present = set(stored)
    newest = [session for session in stored if session <= last][-NEWEST_SESSIONS:]
    return [
        session
        for session in newest
        if present.issuperset(exchange.sessions_between(session, exchange.shift_session(session, FOLLOWING_SESSIONS)))
    ]


def sample(lake: Lake, sessions: Sequence[dt.date], n_sessions: int) -> pl.DataFrame:
    """Draw pairs from ``sessions``: the same ones for the same last session, and symbols that share their cut-off.

    Returns
    -------
    polars.DataFrame
        ``session`` and ``symbol``, sorted: up to ``n_sessions`` sessions with up to :data:`SAMPLED_SYMBOLS` symbols.
    """
    rng = np.random.default_rng(max(sessions).toordinal())
    drawn = []
    for at in sorted(rng.choice(len(sessions), size=min(n_sessions, len(sessions)), replace=False)):
        rows = lake.read(MATRIX, sessions[at], sessions[at], columns=[*KEY, "as_of"])
        as_of = rows["as_of"][int(rng.integers(rows.height))]
        beside = rows.filter(pl.col("as_of") == as_of)
        chosen = rng.choice(beside.height, size=min(SAMPLED_SYMBOLS, beside.height), replace=False)
        drawn.append(beside[np.sort(chosen)].select(KEY))
    return pl.concat(drawn)


def _sees_no_future(stored: Stored) -> Finding:
    none = dict.fromkeys((f"{proof}_pairs" for proof in PROOFS), 0)
    if stored.night is None or not stored.sessions:
        return Finding(False, "nothing proven: there is no night to make rows again with", none, is_tolerable=True)
    started = time.perf_counter()
    lake, last = stored.lake, stored.sessions[-1]
    sessions = provable_sessions(lake, last)
    if not sessions:
        words = f"nothing to prove yet: no session up to {last} has {FOLLOWING_SESSIONS} stored sessions after it"
        return Finding(True, words, none)
    pairs = sample(lake, sessions, min(1 + len(stored.sessions) // MADE_PER_SAMPLED, MOST_SAMPLED_SESSIONS))
    try:
        report = prove(stored.night, pairs, seed=last.toordinal())
    except HistoryGapError as gap:
        # Older sessions were added with a gap: what was made before them cannot be made again, and is not wrong.
        return Finding(False, f"nothing proven: {gap}", none, is_tolerable=True)
    of_features = report.filter(pl.col("column").is_in(list(BY_NAME)))
    is_null = of_features["n_nulls"] == of_features["n_pairs"]
    failures = report.filter(pl.col("n_failures") > 0)
    figures = {f"{proof}_pairs": int(report.filter(pl.col("proof") == proof)["n_pairs"][0]) for proof in PROOFS} | {
        "features_with_values": int(of_features.filter(~is_null)["column"].n_unique()),
        "features_only_null": int(of_features.filter(is_null)["column"].n_unique()),
        "failures": int(failures["n_failures"].sum()),
        "moved_by_the_future": int(report.filter(pl.col("proof") == TRUNCATION)["n_moved"].sum()),
        "sessions": ", ".join(str(session) for session in pairs["session"].unique().sort()),
        "symbols": ", ".join(pairs["symbol"].unique().sort()),
        "seconds": round(time.perf_counter() - started, 3),
    }
    words = (
        f"{len(BY_NAME)} features of {pairs.height} rows come out again bit for bit without a future and with a "
        f"poisoned one, and so does what the rows say of themselves; {figures['features_only_null']} of the features "
        "are null in every row"
    )
    is_outdated = failures.height > 0 and figures["moved_by_the_future"] == 0
    if failures.height:
        words = f"{_told(failures)}: make the sessions again with `gnosis run --from {sessions[0]} --to {last} --again`"
    # What does not follow from what is stored now is not the work of the future, and does not hold up a night.
    return Finding(not failures.height, words, figures, is_tolerable=is_outdated)


def _told(failures: pl.DataFrame) -> str:
    """Say which columns failed, and whether the future or something else moved them."""
    by_column = failures.group_by("column", maintain_order=True).agg(
        pl.col("proof").str.join(", "), is_moved=pl.col("n_moved").max() > 0
    )
    sessions = ", ".join(str(session) for session in failures["failed_sessions"].explode().drop_nulls().unique().sort())
    causes = {
        True: "the future changes",
        False: f"stored rows of {sessions} are outdated or were altered: future or not, what is stored does not give "
        "their",
    }
    parts = []
    for is_moved, words in causes.items():
        names = [f"{column} ({by})" for column, by, moved in by_column.rows() if moved == is_moved]
        if names:
            parts.append(f"{words} {', '.join(names)}")
    return "; ".join(parts)


SEES_NO_FUTURE = TableCheck(
    "sees_no_future",
    "Rows of a sample of symbols and sessions come out again bit for bit when all that was unknown at their cut-off is "
    "deleted (truncation: a night made alone) and when it is replaced by garbage (poison: made as a backfill). Rows "
    "that come out different, but the same in both, do not follow from what is stored now: a warning.",
    _sees_no_future,
)
