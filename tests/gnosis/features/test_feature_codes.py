"""Categories become stable codes and come back as words."""

from __future__ import annotations

import polars as pl
import pytest

from gnosis.features.codes import categories, coded, labelled
from gnosis.features.registry import BY_NAME, FEATURES, Feature, features_of, lookback_of
from gnosis.tables import TABLES

CATEGORIES = [feature for feature in FEATURES if feature.dtype == "category"]


@pytest.mark.parametrize("feature", CATEGORIES, ids=lambda feature: feature.name)
def test_codes_round_trip(feature: Feature) -> None:
    words = pl.Series(feature.name, [*feature.categories, None], pl.Enum(feature.categories)).to_frame()
    codes = words.select(coded(feature.name))
    assert codes.schema == {feature.name: pl.Int8}
    first = -1 if feature.name == "sent_bias" else 0
    assert codes[feature.name].to_list() == [*range(first, first + len(feature.categories)), None]
    assert labelled(codes).equals(words)


@pytest.mark.parametrize("feature", CATEGORIES, ids=lambda feature: feature.name)
def test_dictionary_has_every_code_and_label(feature: Feature) -> None:
    own = categories().filter(pl.col("feature") == feature.name)
    assert dict(own.select("label", "code").iter_rows()) == feature.codes
    assert own.height == len(feature.categories)


def test_dictionary_is_a_valid_table_of_categories_alone() -> None:
    table = TABLES["features.categories"]
    table.schema.validate(categories())
    assert set(categories()["feature"].cast(pl.String)) == {feature.name for feature in CATEGORIES}


def test_numbers_keep_their_values() -> None:
    rows = pl.DataFrame(
        {"liq_n_voids": [0, 20, None], "tech_atr": [0.1, None, 2.0], "sent_utad_detected": [True, None, False]}
    )
    kept = rows.select(coded(name) for name in rows.columns)
    assert kept.schema == {"liq_n_voids": pl.Int8, "tech_atr": pl.Float64, "sent_utad_detected": pl.Boolean}
    assert [kept[name].to_list() for name in kept.columns] == [rows[name].to_list() for name in rows.columns]
    assert labelled(kept).equals(kept)


def test_names_that_are_no_features() -> None:
    with pytest.raises(ValueError, match="expected the name of one of the 141 features, found 'liq_mood': see docs"):
        coded("liq_mood")
    for of_group in (features_of, lookback_of):
        with pytest.raises(ValueError, match=r"expected a group out of \['hedge', .*, 'macro'\], found 'mood'"):
            of_group("mood")
    rows = pl.DataFrame({"symbol": ["SPY"], "liq_mood": [3]})
    assert labelled(rows).equals(rows)


def test_code_beyond_the_dictionary_is_an_error() -> None:
    beyond = len(BY_NAME["liq_regime"].categories)
    rows = pl.DataFrame({"liq_regime": pl.Series([None, 0, beyond], dtype=pl.Int8)})
    with pytest.raises(
        ValueError, match=r"liq_regime: expected codes out of \[0, 1, 2, 3, 4\], found \[5\]: make the se"
    ):
        labelled(rows)
