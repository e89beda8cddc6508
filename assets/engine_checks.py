"""Checks of the engines room that go beyond the form of a table."""

from __future__ import annotations

import polars as pl

from assets.checks import Finding, Stored, TableCheck
from gnosis.engines.scoring import NEWS_SOURCE
from gnosis.reasons import SURE
from gnosis.tables.engines import PROCESSORS

ROUNDING = 1e-9
LINK = r"https?://\S+|www\.\S+"
"""A text of which nothing else is left has no score."""


def _low_confidence_has_reasons(stored: Stored) -> Finding:
    engine = stored.table.short_name
    silent = [(pl.col(f"{name}_confidence") < SURE) & (pl.col(f"{name}_reasons") == "") for name in PROCESSORS[engine]]
    counts = stored.rows.select(rows=pl.len(), silent=pl.any_horizontal(silent).sum()).collect()
    rows, wrong = counts.row(0)
    return Finding(
        not wrong,
        f"{rows - wrong} of {rows} rows say why wherever a processor's confidence is below {SURE}",
        {"rows": rows, "silent": wrong},
    )


def _amplification_is_depth_over_stiffness(stored: Stored) -> Finding:
    stiffness = pl.col("stiffness_usd_per_pct") * 100
    is_stable = stiffness > 0
    depth = pl.col("depth_usd_per_unit")
    apart = ((pl.col("amplification") * stiffness - depth).abs() > ROUNDING * depth).fill_null(depth.is_not_null())
    wrong = pl.when(is_stable).then(apart).otherwise(pl.col("amplification").is_not_null())
    rows, bad = stored.rows.select(stiffness.count(), wrong.sum()).collect().row(0)
    return Finding(
        not bad,
        f"in {rows - bad} of {rows} rows amplification x stiffness is the depth, and none where the book is unstable",
        {"rows": rows, "different": bad},
    )


def _texts_scored(stored: Stored) -> Finding:
    if not stored.sessions:
        return Finding(True, "no session to compare")
    first, last = stored.sessions[0], stored.sessions[-1]
    texts = pl.concat(
        stored.lake.scan(name, first, last)
        .filter(pl.col("text").str.replace_all(LINK, "").str.contains(r"\w"))
        .select(
            "session",
            doc_id=identifier,
            source=pl.lit(NEWS_SOURCE) if source is None else pl.col(source).cast(pl.String),
        )
        for name, identifier, source in (("raw.posts", "post_id", "source"), ("raw.news", "item_id", None))
    ).unique()
    key = ["session", "doc_id", "source"]
    missing = texts.join(stored.rows, on=key, how="anti").select(pl.len()).collect().item()
    total = texts.select(pl.len()).collect().item()
    by_scorer = dict(stored.rows.group_by(pl.col("scorer").cast(pl.String)).len().sort("scorer").collect().rows())
    words = ", ".join(f"{count} by {name}" for name, count in by_scorer.items()) or "none"
    return Finding(not missing, f"{total - missing} of {total} texts are scored: {words}", {"missing": missing})


def _eight_processors_each(stored: Stored) -> Finding:
    key = ["session", "symbol", "engine", "sign_convention"]
    rows = stored.rows.filter(pl.col("name") == "confidence").group_by(key).agg(n=pl.len())
    groups, wrong = rows.select(pl.len(), (pl.col("n") != 8).sum()).collect().row(0)
    return Finding(not wrong, f"{groups - wrong} of {groups} engine rows have eight processors", {"different": wrong})


LOW_CONFIDENCE_HAS_REASONS = TableCheck(
    "low_confidence_has_reasons",
    "Every processor with a confidence below 0.8 gives at least one reason.",
    _low_confidence_has_reasons,
)
AMPLIFICATION_IS_DEPTH_OVER_STIFFNESS = TableCheck(
    "amplification_is_depth_over_stiffness",
    "Amplification x stiffness is the depth, and there is no amplification where D + G <= 0.",
    _amplification_is_depth_over_stiffness,
)
TEXTS_SCORED = TableCheck(
    "texts_scored", "Every text has a score, and every score says what gave it.", _texts_scored, is_blocking=False
)
EIGHT_PROCESSORS_EACH = TableCheck(
    "eight_processors_each", "Every row of an engine has its eight processors in long form.", _eight_processors_each
)
