"""Categories as stable integer codes, and back to words for people."""

from __future__ import annotations

import polars as pl

from gnosis.features.registry import BY_NAME, FEATURES
from gnosis.tables import TABLES


def coded(name: str) -> pl.Expr:
    """Return the column of a feature as the features room stores it: labels become their codes.

    Raises
    ------
    ValueError
        When there is no such feature.

    Examples
    --------
    >>> words = pl.Series("sent_bias", ["bearish", None, "bullish"], pl.Enum(["bearish", "neutral", "bullish"]))
    >>> words.to_frame().select(coded("sent_bias"))["sent_bias"].to_list()
    [-1, None, 1]
    """
    if name not in BY_NAME:
        raise ValueError(
            f"expected the name of one of the {len(FEATURES)} features, found {name!r}: see docs/features.md"
        )
    feature = BY_NAME[name]
    if feature.dtype == "category":
        return pl.col(name).to_physical().cast(pl.Int8) + pl.lit(feature.first_code, pl.Int8)
    return pl.col(name).cast(pl.Int8) if feature.dtype == "int" else pl.col(name)


def labelled(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows of the features room with the categories in words.

    Raises
    ------
    ValueError
        When a code is not one of its feature.

    Examples
    --------
    >>> labelled(pl.DataFrame({"symbol": ["AAPL"], "liq_regime": pl.Series([2], dtype=pl.Int8)})).row(0)
    ('AAPL', 'Thin')
    """
    words = []
    for name in frame.columns:
        feature = BY_NAME.get(name)
        if feature is not None and feature.dtype == "category":
            labels = {code: label for label, code in feature.codes.items()}
            unknown = sorted(set(frame[name].drop_nulls().unique()) - set(labels))
            if unknown:
                raise ValueError(
                    f"{name}: expected codes out of {sorted(labels)}, found {unknown}: make the sessions of such rows "
                    "again with `gnosis run --from ... --to ... --again`"
                )
            words.append(pl.col(name).replace_strict(labels, default=None, return_dtype=pl.Enum(feature.categories)))
    return frame.with_columns(words)


def categories() -> pl.DataFrame:
    """Return the rows of ``features.categories``: every label of every category with its code.

    Examples
    --------
    >>> categories().filter(pl.col("feature") == "sent_bias").rows()
    [('sent_bias', -1, 'bearish'), ('sent_bias', 0, 'neutral'), ('sent_bias', 1, 'bullish')]
    """
    rows = [(feature.name, code, label) for feature in FEATURES for label, code in feature.codes.items()]
    table = TABLES["features.categories"]
    return pl.DataFrame(rows, schema=table.polars_schema, orient="row").sort(table.key)
