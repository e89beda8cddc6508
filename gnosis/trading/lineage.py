"""Lineage: which rows each row behind an idea was made from, with a hash of what they said.

An edge names a made row and a row it rests on, from the idea down to raw bars and quotes. Rows of features and engines
are named by their key, so that storage stays proportional to ideas.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import polars as pl

from gnosis.tables import TABLES
from gnosis.trading.policy_inputs import MARKET_CONVENTION, READS

KEY = ["session", "symbol"]
EDGES: tuple[tuple[int, str, str], ...] = (
    (1, "trades.ideas", "trades.simulations"),
    (1, "trades.ideas", "trades.compositions"),
    (1, "trades.ideas", "trades.legs"),
    (1, "trades.ideas", "models.predictions"),
    (2, "trades.legs", "raw.equity_bars"),
    (2, "trades.simulations", "trades.compositions"),
    (2, "trades.simulations", "raw.equity_bars"),
    (2, "trades.simulations", "engines.liquidity"),
    (2, "trades.compositions", "hedge"),
    (2, "trades.compositions", "liquidity"),
    (2, "trades.compositions", "sentiment"),
    (2, "trades.compositions", "ml"),
    (2, "trades.compositions", "risk"),
    (3, "hedge", "features.matrix"),
    (3, "hedge", "engines.elasticity"),
    (3, "liquidity", "features.matrix"),
    (3, "liquidity", "engines.liquidity"),
    (3, "sentiment", "features.matrix"),
    (3, "sentiment", "engines.sentiment"),
    (3, "ml", "models.predictions"),
    (3, "risk", "engines.elasticity"),
    (3, "risk", "engines.liquidity"),
    (4, "models.predictions", "models.trained"),
    (4, "models.predictions", "features.matrix"),
    (5, "features.matrix", "engines.elasticity"),
    (5, "features.matrix", "engines.liquidity"),
    (5, "features.matrix", "engines.sentiment"),
    (6, "engines.elasticity", "raw.option_quotes"),
    (6, "engines.elasticity", "raw.equity_bars"),
    (6, "engines.liquidity", "raw.equity_bars"),
    (6, "engines.sentiment", "raw.equity_bars"),
)
"""Steps from the idea, made row, row that it rests on. A policy stands for its row of ``trades.policy_votes``."""
_POLICIES = ("hedge", "liquidity", "sentiment", "ml", "risk")
_NODE = {
    "session": pl.Date,
    "symbol": pl.String,
    "row": pl.String,
    "rows": pl.Int64,
    "known_at": pl.Datetime("us", "UTC"),
    "sha256": pl.String,
}


def lineage(
    made: Mapping[str, pl.DataFrame],
    predictions: pl.DataFrame,
    tables: Mapping[str, pl.DataFrame],
    bars: pl.DataFrame,
    quotes: pl.DataFrame,
) -> pl.DataFrame:
    """Return the edges of every idea.

    Parameters
    ----------
    made
        Rows of the tables that :func:`gnosis.trading.ideas.ideas` returned.
    predictions
        Rows of ``models.predictions`` that it was given.
    tables
        Rows of ``features.matrix`` and of the engines that it was given.
    bars, quotes
        Rows of ``raw.equity_bars`` and ``raw.option_quotes`` of the sessions of the ideas.

    Returns
    -------
    polars.DataFrame
        Rows of ``trades.lineage``, sorted by its key. What was known only after the decision was not used and is no
        parent.

    Examples
    --------
    >>> from gnosis.trading.ideas import MADE
    >>> empty = {name: TABLES[name].empty() for name in (*MADE, *READS)}
    >>> rest = (TABLES[name].empty() for name in ("raw.equity_bars", "raw.option_quotes"))
    >>> lineage(empty, TABLES["models.predictions"].empty(), empty, *rest).height
    0
    """
    ideas = made["trades.ideas"].select(*KEY, "idea_id", "as_of", "known_at", "provider", "synthetic")
    sessions = ideas["session"].unique()
    nodes = _nodes(made, predictions, tables, bars, quotes, sessions)
    schema = TABLES["trades.lineage"].polars_schema
    parts = [pl.DataFrame(schema=schema)]
    for depth, child, parent in EDGES:
        below = nodes[parent].rename({"row": "parent_row", "rows": "parent_rows", "known_at": "parent_known_at"})
        above = nodes[child].select(*KEY, child_row="row")
        edges = ideas.join(above, on=KEY).join(below, on=KEY)
        in_time = pl.col("parent_known_at").is_null() | (pl.col("parent_known_at") <= pl.col("as_of"))
        named = {
            "depth": pl.lit(depth, pl.Int64),
            "child_table": pl.lit(_table(child)),
            "parent_table": pl.lit(_table(parent)),
            "parent_sha256": pl.col("sha256"),
        }
        parts.append(edges.filter(in_time).with_columns(**named).select(list(schema)).cast(schema))
    return (
        pl.concat(parts)
        .unique(TABLES["trades.lineage"].key, keep="first", maintain_order=True)
        .sort(TABLES["trades.lineage"].key)
    )


def content_sha256(rows: pl.DataFrame) -> pl.Series:
    """Return the hash of each row: of its values as JSON, in the order of the columns.

    Examples
    --------
    >>> content_sha256(pl.DataFrame({"symbol": ["ABC"], "z": [0.5]}))[0][:12]
    '235055cd7884'
    """
    return _hashed(_json(rows))


def _nodes(
    made: Mapping[str, pl.DataFrame],
    predictions: pl.DataFrame,
    tables: Mapping[str, pl.DataFrame],
    bars: pl.DataFrame,
    quotes: pl.DataFrame,
    sessions: pl.Series,
) -> dict[str, pl.DataFrame]:
    def now(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(pl.col("session").is_in(sessions.implode()))

    found = {name: _node(made[name], TABLES[name].key) for name in made if name not in ("trades.policy_votes",)}
    for policy in _POLICIES:
        of = made["trades.policy_votes"].filter(pl.col("policy") == policy)
        found[policy] = _node(of, TABLES["trades.policy_votes"].key)
    for name, columns in READS.items():
        key = TABLES[name].key
        rows = now(tables[name])
        if "sign_convention" in columns:
            rows = rows.filter(pl.col("sign_convention").cast(pl.String) == MARKET_CONVENTION)
        found[name] = _node(rows.select(*dict.fromkeys((*key, *columns, "known_at"))), key)
    found["models.predictions"] = _node(now(predictions), TABLES["models.predictions"].key)
    named = now(predictions).filter(pl.col("model_version").is_not_null())
    found["models.trained"] = named.select(
        *KEY,
        row=_json(named.select("model_version", "model_sha256")),
        rows=pl.lit(1, pl.Int64),
        known_at=pl.lit(None, pl.Datetime("us", "UTC")),
        sha256=pl.coalesce("model_sha256", pl.lit("")),
    )
    found["raw.equity_bars"] = _node(now(bars), TABLES["raw.equity_bars"].key)
    found["raw.option_quotes"] = _chains(now(quotes))
    return found


def _node(rows: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    return rows.select(
        *KEY,
        row=_json(rows.select(key)),
        rows=pl.lit(1, pl.Int64),
        known_at="known_at",
        sha256=content_sha256(rows),
    ).cast(_NODE)  # type: ignore[arg-type]


def _chains(quotes: pl.DataFrame) -> pl.DataFrame:
    """Return one node per chain: hundreds of quotes are named together, those that an idea trades one by one."""
    text = quotes.sort(TABLES["raw.option_quotes"].key).with_columns(
        said=pl.concat_str(
            [
                pl.col(name).cast(pl.String).fill_null("")
                for name in ("expiry", "right", "strike", "bid", "ask", "root")
            ],
            separator=",",
        )
    )
    chains = text.group_by(KEY, maintain_order=True).agg(
        pl.col("said").str.join(";"), rows=pl.len().cast(pl.Int64), known_at=pl.col("known_at").max()
    )
    return chains.select(
        *KEY, row=_json(chains.select(KEY)), rows="rows", known_at="known_at", sha256=_hashed(chains["said"])
    ).cast(_NODE)  # type: ignore[arg-type]


def _json(rows: pl.DataFrame) -> pl.Series:
    plain = rows.with_columns(pl.selectors.by_dtype(pl.Enum, pl.Categorical).cast(pl.String)) if rows.width else rows
    plain = plain.with_columns(pl.selectors.enum().cast(pl.String), pl.selectors.temporal().cast(pl.String))
    return plain.select(row=pl.struct(pl.all()).struct.json_encode()).to_series()


def _hashed(text: pl.Series) -> pl.Series:
    return pl.Series([hashlib.sha256(said.encode()).hexdigest() for said in text], dtype=pl.String)


def _table(node: str) -> str:
    return "trades.policy_votes" if node in _POLICIES else node
