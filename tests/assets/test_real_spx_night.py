"""Real SPX chains of 2019 through the whole graph by the command line: a month of nights, and three years around it."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gnosis.sessions import sessions_between
from gnosis.tables import TABLES
from resources.lake import Lake
from tests.conftest import NO_PEERS

pytestmark = [pytest.mark.real_data, pytest.mark.heavy, pytest.mark.xdist_group("real")]
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "real_spx.yaml"
FIRST, LAST = dt.date(2019, 4, 26), dt.date(2019, 5, 31)
SESSIONS = sessions_between(FIRST, LAST)
QUOTED_NOBODY_KNOWS_WHEN = dt.date(2019, 5, 1)
WITHOUT_CHAIN = [QUOTED_NOBODY_KNOWS_WHEN, dt.date(2019, 5, 10), dt.date(2019, 5, 17)]
SINCE = dt.date(2016, 1, 4)
FUNDS = ["EEM", "IWM", "QQQ", "SPY", "USO"]


def gnosis(home: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GNOSIS", "DAGSTER"))}
    environment |= {"GNOSIS_HOME": str(home), "GNOSIS_PROVIDER": "files", "GNOSIS_FILES": str(folder)}
    environment |= {"GNOSIS_PEERS": str(NO_PEERS), "GNOSIS_PICTURES": "false"}
    command = [sys.executable, "-m", "gnosis_dagster.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(shared_data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("real_spx")
    (folder / "gnosis.yaml").write_text(EXAMPLE.read_text().replace("PATH_OF_THE_DATA", str(shared_data)))
    return folder


@pytest.fixture(scope="module")
def month(folder, tmp_path_factory) -> tuple[Lake, subprocess.CompletedProcess[str]]:
    home = tmp_path_factory.mktemp("month")
    ran = gnosis(home, folder, "run", "--from", FIRST.isoformat(), "--to", LAST.isoformat())
    assert ran.returncode == 0, ran.stderr
    return Lake(home), ran


@pytest.fixture(scope="module")
def lake(month) -> Lake:
    return month[0]


@pytest.fixture(scope="module")
def totals(lake) -> pl.DataFrame:
    exposure = lake.read("greeks.exposure").filter(pl.col("sign_convention") == "naive")
    return exposure.group_by("session").agg(pl.col("gex_usd_per_pct", "dex_usd").sum()).sort("session")


@pytest.fixture(scope="module")
def long_lake(folder, tmp_path_factory) -> Lake:
    home = tmp_path_factory.mktemp("three_years")
    ran = gnosis(home, folder, "run", "--from", SINCE.isoformat(), "--to", LAST.isoformat())
    assert ran.returncode == 0, ran.stderr
    return Lake(home)


def with_chain(frame: pl.DataFrame) -> list[dt.date]:
    return frame["session"].unique().sort().to_list()


def test_every_session_is_made_and_the_history_before_it(month):
    lake, ran = month
    assert "history: 2017-03-15 to 2019-04-25" in ran.stdout
    for name, table in TABLES.items():
        if table.period != "all" and not table.is_companion:
            assert set(SESSIONS) <= set(lake.sessions(name)), name
    assert lake.sessions("raw.equity_bars")[0] == dt.date(2017, 3, 15)
    assert lake.verify() > 0


def test_a_session_without_a_chain_is_a_warning_and_everything_else_goes_on(month):
    lake, ran = month
    expected = [day for day in SESSIONS if day not in WITHOUT_CHAIN]
    assert len(expected) == 22
    for name in ("raw.option_quotes", "greeks.option_greeks", "greeks.exposure", "engines.elasticity"):
        assert with_chain(lake.read(name)) == expected, name
    assert "raw.option_quotes: no_session_missing: 22 of 25 sessions have rows; first without: 2019-05-01" in ran.stderr
    for name in ("features.technical", "features.regime", "features.macro", "trades.ideas"):
        assert with_chain(lake.read(name)) == SESSIONS, name


def test_morning_and_afternoon_roots_stay_apart(lake):
    quotes = lake.read("raw.option_quotes")
    roots = quotes.select("root", "settlement", "style", "multiplier").unique().sort("root").rows()
    assert roots == [("SPX", "am", "E", 100.0), ("SPXW", "pm", "E", 100.0)]
    both = quotes.group_by("session", "expiry", "strike", "right").agg(pl.col("settlement").n_unique())
    assert both.filter(pl.col("settlement") == 2).height > 10_000
    shared = lake.read("greeks.option_greeks").filter(pl.col("iv_source") == "own", pl.col("dte_days") > 1)
    pairs = shared.group_by("session", "expiry", "strike", "right").agg(
        n=pl.len(), earlier=pl.col("tau_years").filter(pl.col("settlement") == "am").min() < pl.col("tau_years").max()
    )
    assert pairs.filter(pl.col("n") == 2)["earlier"].all()


def test_every_volatility_is_there_with_its_source_or_missing_with_its_reason(lake):
    greeks = lake.read("greeks.option_greeks")
    sources = greeks.select(pl.col("iv").is_null() == (pl.col("iv_source") == "none")).to_series()
    assert sources.all()
    assert greeks.filter(pl.col("iv_source") != "own")["reason"].null_count() == 0
    assert greeks.filter(pl.col("iv").is_null())["reason"].unique().to_list() == ["settled"]
    assert greeks.filter(pl.col("iv").is_null()).height < 0.01 * greeks.height
    clean = greeks.filter(pl.col("iv_source") == "own", pl.col("reason").is_null())
    assert clean.height > 0.75 * greeks.height
    assert clean["iv"].is_between(0.04, 5.0).all()
    greek_names = ["delta", "gamma_per_usd", "vega_per_vol", "theta_per_year", "vanna_per_vol", "charm_per_year"]
    assert greeks.filter(pl.col("iv").is_not_null()).select(greek_names).null_count().sum_horizontal().item() == 0
    assert greeks.filter(pl.col("iv").is_null()).select(greek_names).count().sum_horizontal().item() == 0


def test_volatility_at_the_money_moves_with_the_vix(lake):
    near = lake.read("greeks.option_greeks").filter(
        (pl.col("strike") / pl.col("spot") - 1).abs() < 0.01, pl.col("dte_days").is_between(20, 40)
    )
    median = near.group_by("session").agg(iv=pl.col("iv").median())
    vix = lake.read("raw.index_levels").filter(pl.col("symbol") == "^VIX").select("session", vix=pl.col("close") / 100)
    both = median.join(vix, on="session")
    assert both.height == 22
    # The VIX weighs the whole strip of strikes, so it lies above the volatility at the money.
    assert (both["vix"] > both["iv"]).all()
    assert ((both["vix"] - both["iv"]) < 0.05).all()
    assert both.select(pl.corr("iv", "vix", method="spearman")).item() > 0.9


def test_forwards_come_from_parity_and_lie_near_spot(lake):
    live = lake.read("greeks.option_greeks").filter(pl.col("reason").ne_missing("settled"))
    assert live["forward_source"].unique().to_list() == ["parity"]
    assert ((live["forward"] / live["spot"]).log().abs() < 0.02).all()
    assert live["discount"].is_between(0.9, 1.0).all()


def test_gamma_ranks_sessions_as_squeezemetrics_does(totals, shared_data, record_property):
    published = pl.read_csv(shared_data / "positioning" / "DIX.csv", try_parse_dates=True)
    both = totals.join(published, left_on="session", right_on="date")
    assert both.height == 22
    rank = both.select(pl.corr("gex_usd_per_pct", "gex", method="spearman")).item()
    record_property("rank_correlation_with_squeezemetrics_gex", round(rank, 3))
    print(f"rank correlation of naive gamma with SqueezeMetrics GEX over {both.height} sessions: {rank:.3f}")
    assert rank > 0.85


def test_exposures_are_of_the_size_of_the_index(totals):
    # Some 100 billion dollars a per cent is the order of a day's volume of S&P 500 futures and funds.
    assert totals["gex_usd_per_pct"].abs().is_between(1e8, 2e11).all()
    assert (totals["gex_usd_per_pct"] > 0).any()
    assert (totals["gex_usd_per_pct"] < 0).any()
    assert totals["dex_usd"].is_between(5e11, 2e12).all()


def test_chains_that_cannot_be_used_lie_in_quarantine_whole(lake):
    rows = lake.read("quarantine.raw_option_quotes")
    assert rows.group_by("session", "rule").len().sort("session").rows() == [
        (QUOTED_NOBODY_KNOWS_WHEN, "quote_instant_unknown|variance_left", 13_356),
        (dt.date(2019, 5, 28), "not_a_session", 13_324),
    ]
    days = rows["found"].str.json_path_match("$.session").unique().sort().to_list()
    assert days == ["2019-05-01", "2019-05-27"]
    assert rows["found"].str.json_path_match("$.bid").null_count() == 0
    observations = lake.read("quarantine.raw_macro")
    assert observations["rule"].unique().to_list() == ["value|nullability"]


def test_nothing_is_synthetic(lake):
    for name in lake.tables():
        if "synthetic" in TABLES[name].polars_schema:
            assert not lake.read(name, columns=["synthetic"])["synthetic"].any(), name
        if "provider" in TABLES[name].polars_schema and not name.startswith("quarantine"):
            assert set(lake.read(name, columns=["provider"])["provider"]) <= {"files"}, name


def test_an_index_without_volume_has_dealer_gamma_but_no_depth(lake, totals):
    rows = lake.read("engines.elasticity")
    assert rows["symbol"].unique().to_list() == ["SPX"]
    unknown = ["adv_usd", "lambda_usd_per_share", "depth_usd_per_unit", "stiffness_usd_per_pct", "amplification"]
    unknown += ["fragility", "energy_up_usd", "hedge_movement_energy", "amplification_regime"]
    assert rows.select(unknown).count().sum_horizontal().item() == 0
    assert rows["reasons"].str.contains("SOURCE_MISSING").all()
    for name in ("elasticity_field_confidence", "movement_energy_confidence"):
        assert (rows[name] == 0).all()
    naive = rows.filter(pl.col("sign_convention") == "naive").sort("session")
    assert naive["session"].to_list() == totals["session"].to_list()
    assert naive["dealer_gamma_usd_per_unit"].to_list() == pytest.approx(
        (100 * totals["gex_usd_per_pct"]).to_list(), rel=1e-9
    )


def test_nothing_is_known_before_what_it_rests_on(lake):
    quotes = lake.read("raw.option_quotes")
    assert (quotes["oi_session"] < quotes["session"]).all()
    assert (quotes["known_at"] - quotes["ts"]).unique().to_list() == [dt.timedelta(minutes=15)]
    chain = quotes.group_by("session").agg(quoted=pl.col("known_at").max())
    for name in ("greeks.option_greeks", "greeks.exposure", "engines.elasticity"):
        made = lake.read(name).join(chain, on="session")
        assert (made["known_at"] >= made["quoted"]).all(), name
    state = lake.read("engines.elasticity")
    assert (state["as_of"] == state["known_at"]).all()
    # Five chains were downloaded after the close: nothing of their session is decided before they are known.
    bars = lake.read("raw.equity_bars").select("session", "symbol", traded="known_at")
    late = state.join(bars, on=["session", "symbol"]).filter(pl.col("known_at") > pl.col("traded"))
    assert late["session"].n_unique() == 5
    decided = lake.read("trades.ideas").select("session", "symbol", decided="as_of")
    waited = late.join(decided, on=["session", "symbol"])
    assert waited["session"].n_unique() == 5
    assert (waited["decided"] >= waited["known_at"]).all()
    ideas = lake.read("trades.ideas")
    assert (ideas["known_at"] <= ideas["as_of"]).all()
    macro = lake.read("raw.macro")
    assert (macro["known_at"].dt.date() > macro["ref_date"]).all()
    assert not macro["is_vintage"].any()


def test_features_come_from_real_levels_and_series(lake):
    technical = lake.read("features.technical")
    names = [name for name in technical.columns if name.startswith("tech_")]
    assert len(names) > 5
    for symbol in FUNDS:
        of_symbol = technical.filter(pl.col("symbol") == symbol)
        assert of_symbol.height == len(SESSIONS), symbol
        assert of_symbol.select(names).null_count().sum_horizontal().item() == 0, symbol
    macro = lake.read("features.macro")
    # The file has FEDFUNDS by month, GDP in dollars and no Baa spread: not the series that these features are made of.
    absent = ["macro_fed_funds_rate", "macro_gdp_growth", "macro_credit_spread"]
    assert macro.select(absent).count().sum_horizontal().item() == 0
    present = ["macro_yield_curve", "macro_inflation_rate", "macro_unemployment_rate"]
    assert macro.select(present).null_count().sum_horizontal().item() == 0
    may = macro.filter(pl.col("session") == dt.date(2019, 5, 15)).select(present).unique().row(0)
    assert may == pytest.approx((0.25, 1.88, 3.8), abs=0.2)
    regime = lake.read("features.regime").drop("regime_liquidity_time")
    assert regime.null_count().sum_horizontal().item() == 0


def test_with_nothing_learned_every_idea_is_flat_and_says_why(lake):
    assert lake.read("models.trained").is_empty()
    predictions = lake.read("models.predictions")
    assert predictions.select("p_down", "p_flat", "p_up").count().sum_horizontal().item() == 0
    ideas = lake.read("trades.ideas")
    assert ideas.select("side", "target_weight").unique().rows() == [("flat", 0.0)]
    assert ideas["veto"].null_count() == 0
    assert ideas["rationale"].str.starts_with("Nothing held (").all()
    assert ideas["is_research_only"].all()
    assert lake.read("models.labels")["horizon_bars"].unique().sort().to_list() == [1, 5, 20]
    assert "model_long_flat_short" not in lake.read("backtests.runs")["strategy"].to_list()


def test_running_again_changes_nothing(month, folder):
    lake, _ = month
    before = {name: lake.manifest(name).entries for name in lake.tables()}
    ran = gnosis(Path(lake.home), folder, "run", "--from", FIRST.isoformat(), "--to", LAST.isoformat())
    assert ran.returncode == 0
    assert "Nothing to do: all 25 sessions from 2019-04-26 to 2019-05-31 are stored" in ran.stdout
    assert {name: lake.manifest(name).entries for name in lake.tables()} == before


def test_the_catalog_answers_a_desk(month, folder):
    query = (
        "select session, sum(gex_usd_per_pct) / 1e9 as billions from greeks.exposure "
        "where sign_convention = 'naive' group by session order by session desc limit 1"
    )
    ran = gnosis(Path(month[0].home), folder, "sql", query)
    assert ran.returncode == 0, ran.stderr
    assert "2019-05-31" in ran.stdout


def test_the_night_after_the_holiday_stands_alone(folder, tmp_path, lake):
    day = dt.date(2019, 5, 28)
    ran = gnosis(tmp_path, folder, "run", "--from", day.isoformat(), "--to", day.isoformat())
    assert ran.returncode == 0, ran.stderr
    alone = Lake(tmp_path)
    for name in ("quarantine.raw_option_quotes", "quarantine.raw_macro", "greeks.exposure", "features.macro"):
        assert_frame_equal(alone.read(name, first=day, last=day), lake.read(name, first=day, last=day))


AGAINST_ITS_PAST = {
    "engines.liquidity": {
        *("cost_regime", "impact_regime", "spread_regime", "depth_regime", "book_pressure"),
        *("liq_score", "liq_regime", "liq_regime_confidence", "liq_confidence", "liq_polr_strength"),
        *("structure_and_regime_confidence", "toxicity_percentile", "toxicity_regime"),
    },
    "engines.sentiment": {
        *("sent_flow_regime", "sentiment_regime", "momentum"),
    },
}
"""Values that are read against earlier rows of the same table, so that a home with a longer past knows more."""
OF_ENGINES = {
    "features.liquidity": AGAINST_ITS_PAST["engines.liquidity"] | {"confidence"},
    "features.sentiment": AGAINST_ITS_PAST["engines.sentiment"],
}
AGAINST_ITS_PAST |= OF_ENGINES
AGAINST_ITS_PAST["features.matrix"] = set.union(*OF_ENGINES.values(), {"missing_mask", "n_missing"})


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, table in TABLES.items()
        if table.room in ("raw", "greeks", "engines", "features") and name != "features.categories"
    ]
    + ["models.labels"],
)
def test_a_month_is_what_three_years_make_of_it(lake, long_lake, name):
    month, years = (home.read(name, first=FIRST, last=LAST) for home in (lake, long_lake))
    if name == "engines.processors":
        engines = pl.col("engine").is_in(["liquidity", "sentiment"])
        month, years = month.filter(~engines), years.filter(~engines)
    past = AGAINST_ITS_PAST.get(name, ())
    # The reasons say SHORT_HISTORY where the past is short.
    columns = [column for column in month.columns if not past or (column not in past and "reasons" not in column)]
    assert_frame_equal(years.select(columns), month.select(columns))


def test_three_years_of_bars_train_models_that_answer_on_the_chains(long_lake):
    trained = long_lake.read("models.trained")
    assert set(trained["model_name"]) == {"logistic", "majority", "ridge", "ewma", "xgboost"}
    predictions = long_lake.read("models.predictions", first=FIRST, last=LAST)
    assert predictions["p_up"].null_count() == 0
    assert (predictions["known_at"] <= predictions["as_of"]).all()
    scores = long_lake.read("models.evaluation").filter(
        pl.col("scope") == "stitched", pl.col("metric") == "log_loss", pl.col("head") == "direction"
    )
    assert sorted(scores["model_name"]) == ["logistic", "majority", "xgboost"]
    # Daily bars of thirteen names do not foretell the next week: a score that says so would be a leak.
    assert "too_good" not in scores["verdict"].to_list()
    assert scores["value"].is_between(0.8, 1.2).all()


def test_ideas_need_a_chain_as_well_as_a_model(long_lake):
    ideas = long_lake.read("trades.ideas", first=SINCE, last=LAST)
    first_answer = long_lake.read("models.trained")["valid_from"].min()
    before = ideas.filter(pl.col("session") < first_answer)
    after = ideas.filter(pl.col("session") >= first_answer)
    assert before["reasons"].str.contains("THIN_DATA").all()
    said = long_lake.read("models.predictions", first=first_answer, last=LAST)
    answered = after.join(said.filter(pl.col("abstain_reason").is_null()), on=["session", "symbol"], how="semi")
    assert answered["reasons"].str.contains("THIN_DATA").all()
    # Chains begin in the last month: rows that have left what the model was trained on are not answered.
    assert set(said["abstain_reason"].drop_nulls()) <= {"ood", "too_many_missing"}
    assert answered.height > 0.5 * after.height
    assert (ideas["side"] == "flat").all()
    runs = long_lake.read("backtests.runs")
    followed = runs.filter(pl.col("strategy") == "model_long_flat_short")["run_key"].implode()
    equity = long_lake.read("backtests.equity").filter(pl.col("run_key").is_in(followed))
    assert equity.height > 60
    assert (equity["positions_usd"] == 0).all()
    assert long_lake.read("backtests.fills").filter(pl.col("run_key").is_in(followed)).is_empty()
