"""The document about your own data says what happens: every snippet in it is run."""

from __future__ import annotations

import datetime as dt
import math
import re
from pathlib import Path

import polars as pl
import pytest
import yaml

from assets.checks import MAX_QUARANTINED_SHARE
from gnosis.learning.folds import TRAIN_SESSIONS
from resources.providers.files.config import FolderSpec
from resources.providers.rejections import SET_ASIDE

DOCUMENT = (Path(__file__).parents[2] / "docs" / "your-own-data.md").read_text()
SNIPPETS = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", DOCUMENT, flags=re.MULTILINE | re.DOTALL)


def unpack(example: str, folder: Path) -> None:
    (folder / "bars.parquet").unlink()
    written = 0
    for _, name, text in SNIPPETS:
        if name.startswith(f"{example}/"):
            (folder / Path(name).name).write_text(text)
            written += 1
    assert written >= 2


def test_every_description_is_valid():
    described = [text for language, _, text in SNIPPETS if language == "yaml"]
    assert len(described) == 5
    for text in described:
        FolderSpec.model_validate(yaml.safe_load(text))


def test_figures_and_rules_are_those_of_the_code():
    assert f"More than {MAX_QUARANTINED_SHARE:.0%}".replace("%", " %") in DOCUMENT
    assert f"A model needs {TRAIN_SESSIONS}" in DOCUMENT
    assert ", ".join("`" + rule.replace("|", "\\|") + "`" for rule in SET_ASIDE) in DOCUMENT


@pytest.mark.heavy
@pytest.mark.xdist_group("files")
def test_bars_alone(desk):
    unpack("bars-only", desk.folder)
    ran = desk.run("run")
    assert ran.status == 0, ran.err
    lake = desk.lake
    assert lake.read("raw.equity_bars").height == lake.read("trades.ideas").height == 6
    assert lake.read("trades.ideas")["reasons"].str.contains("THIN_DATA").all()
    market = lake.read("features.regime").select(pl.col("^regime_vix.*$"))
    assert market.width > 0
    assert market.count().sum_horizontal().item() == 0
    assert desk.run("sql", *[text for language, _, text in SNIPPETS if language == "sql"]).status == 0


@pytest.mark.heavy
@pytest.mark.xdist_group("files")
def test_all_five_tables(desk):
    unpack("all-tables", desk.folder)
    ran = desk.run("run")
    assert ran.status == 0, ran.err
    lake = desk.lake
    assert "raw.option_quotes: no_session_missing: 1 of 3 sessions have rows; first without: 2013-01-02" in ran.err
    greeks = lake.read("greeks.option_greeks")
    assert greeks.height == 6
    assert greeks["iv"].is_between(0.15, 0.35).all()
    assert greeks["known_at"].unique().to_list() == [dt.datetime(2013, 1, 3, 21, tzinfo=dt.UTC)]
    # One pair lies within 2 % of spot, too few for parity: the forward comes from the rate and the declared dividend.
    (forward,) = lake.read("greeks.forwards").to_dicts()
    assert (forward["forward_source"], forward["n_pairs"]) == ("carry", 1)
    assert forward["dividends_usd"] == pytest.approx(0.25, rel=1e-3)
    assert forward["forward"] == pytest.approx((100.6 - 0.25) * math.exp(forward["rate_per_year"] * 43 / 365), rel=1e-4)
    gamma = lake.read("greeks.exposure").filter(pl.col("sign_convention") == "naive")["gex_usd_per_pct"].sum()
    assert gamma != 0
    state = lake.read("engines.elasticity")
    assert state["session"].unique().to_list() == [dt.date(2013, 1, 3)]
    assert state["dealer_gamma_usd_per_unit"].null_count() == 0
    levels = lake.read("raw.index_levels")
    assert levels.select("symbol", "close").row(0) == ("^VIX", 14.68)
    assert lake.read("raw.macro")["series_id"].unique().sort().to_list() == ["DGS1MO", "DGS3MO"]


@pytest.mark.heavy
@pytest.mark.xdist_group("files")
def test_what_stays_null_without_yields_and_without_open_interest(desk):
    unpack("all-tables", desk.folder)
    config = desk.folder / "gnosis.yaml"
    whole = yaml.safe_load(config.read_text())
    macro = whole["tables"].pop("raw.macro")
    config.write_text(yaml.safe_dump(whole))
    assert desk.run("run").status == 0
    greeks = desk.lake.read("greeks.option_greeks")
    assert (set(greeks["reason"]), greeks["iv"].count()) == ({"no_rate"}, 0)
    assert desk.lake.read("engines.elasticity")["dealer_gamma_usd_per_unit"].count() == 0

    del whole["tables"]["raw.option_quotes"][0]["columns"]["open_interest"]
    config.write_text(yaml.safe_dump(whole | {"tables": whole["tables"] | {"raw.macro": macro}}))
    ran = desk.run("run", "--correct-history", "raw.option_quotes")
    assert ran.status == 0, ran.err
    assert desk.lake.read("greeks.option_greeks")["iv"].null_count() == 0
    assert desk.lake.read("greeks.exposure").is_empty()
    assert desk.lake.read("engines.elasticity")["reasons"].str.contains("OI_MISSING").all()
