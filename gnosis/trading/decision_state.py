"""The state of a decision: what the tables say of a symbol that was known at its ``as_of``, null where nothing was."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from gnosis.trading.policy_inputs import MARKET_CONVENTION, READS
from gnosis.trading.trailing import trailing_figures

KEY = ("session", "symbol")
OF_MODEL = ("sigma_hat", "model_state", "model_version", "is_promoted")
ENERGIES = ("hedge_movement_energy_up", "hedge_movement_energy_down")
HISTORY_SESSIONS = 252
"""Sessions of ``engines.elasticity`` and ``engines.sentiment`` that a decision looks back on."""


def decision_state(predictions: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return one row per prediction with what was known of its symbol when it was made.

    Parameters
    ----------
    predictions
        Rows of ``models.predictions`` of one horizon: the symbols and moments to decide.
    tables
        By name the rows of the tables of :data:`gnosis.trading.policy_inputs.READS`, of their sessions and, of
        ``engines.elasticity`` and ``engines.sentiment``, of :data:`HISTORY_SESSIONS` before.

    Returns
    -------
    polars.DataFrame
        ``session``, ``symbol``, ``as_of``, the columns read, the model's ``sigma_hat``, ``model_state``,
        ``model_version`` and ``is_promoted``, ``energy_up_median``, ``energy_down_median``, ``energy_least_median``,
        the ranks (0 to 1) ``energy_up_rank``, ``energy_down_rank``, ``sentiment_rank``, and ``known_at``, ``provider``,
        ``synthetic`` of everything used, sorted by session and symbol.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> decision_state(TABLES["models.predictions"].empty(), {name: TABLES[name].empty() for name in READS}).height
    0
    """
    keys = predictions.select(*KEY, "as_of").sort(KEY)
    elasticity = _of_market(tables["engines.elasticity"]).with_columns(
        energy_least=pl.min_horizontal(pl.when(pl.col(n).is_not_null()).then(n) for n in ENERGIES)
    )
    rows = keys
    origins = []
    own = predictions.select(*KEY, *OF_MODEL, "known_at", "provider", "synthetic")
    for name, frame in {"models.predictions": own, **tables}.items():
        found = elasticity if name == "engines.elasticity" else frame
        columns = OF_MODEL if name == "models.predictions" else tuple(c for c in READS[name] if c not in _OWN)
        rows, origin = _joined(rows, found, columns)
        origins.append(origin)
    figures = {
        "energy_up": trailing_figures(elasticity, ENERGIES[0], keys),
        "energy_down": trailing_figures(elasticity, ENERGIES[1], keys),
        "energy_least": trailing_figures(elasticity, "energy_least", keys),
        "sentiment": trailing_figures(_absolute(tables["engines.sentiment"]), "fused", keys),
    }
    medians = {f"{name}_median": found["median"] for name, found in figures.items() if name != "sentiment"}
    ranks = {f"{name}_rank": figures[name]["rank"] for name in ("energy_up", "energy_down", "sentiment")}
    named = [f"{column}_{number}" for number in range(len(origins)) for column in ("known_at", "provider", "synthetic")]
    both = pl.concat(
        [rows, *(o.rename(dict(zip(o.columns, n, strict=True))) for o, n in _named(origins, named))], how="horizontal"
    )
    number = range(len(origins))
    providers = pl.concat_list(pl.col(f"provider_{i}").str.split("+").fill_null([]) for i in number)
    return both.with_columns(
        **medians,
        **ranks,
        known_at=pl.max_horizontal(f"known_at_{i}" for i in number),
        provider=providers.list.unique().list.sort().list.join("+"),
        synthetic=pl.any_horizontal(pl.col(f"synthetic_{i}").fill_null(False) for i in number),
    ).drop(named)


_OWN = ("as_of", "sign_convention")


def _of_market(elasticity: pl.DataFrame) -> pl.DataFrame:
    return elasticity.filter(pl.col("sign_convention").cast(pl.String) == MARKET_CONVENTION)


def _absolute(sentiment: pl.DataFrame) -> pl.DataFrame:
    return sentiment.with_columns(pl.col("fused").abs())


def _joined(rows: pl.DataFrame, found: pl.DataFrame, columns: tuple[str, ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add the columns of the rows known by ``as_of``, and return where they come from beside."""
    origin = ("known_at", "provider", "synthetic")
    of_origin = {name: f"_{name}" for name in origin}
    own = found.select(*KEY, *columns, *(pl.col(name).alias(named) for name, named in of_origin.items()))
    both = rows.join(own, on=KEY, how="left", maintain_order="left")
    is_known = pl.col("_known_at") <= pl.col("as_of")
    both = both.with_columns(pl.when(is_known).then(name).alias(name) for name in (*columns, *of_origin.values()))
    return both.drop(of_origin.values()), both.select(pl.col(named).alias(name) for name, named in of_origin.items())


def _named(origins: list[pl.DataFrame], names: list[str]) -> list[tuple[pl.DataFrame, list[str]]]:
    return [(frame, names[3 * number : 3 * number + 3]) for number, frame in enumerate(origins)]
