"""Stored features are made again without a future and with a poisoned one, and whatever depends on it is named."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import polars as pl
import pytest

from assets import engines, features, proofs
from assets.checks import Stored
from assets.night import HistoryGapError, Night
from assets.proofs import MATRIX, SEES_NO_FUTURE, WATCHED, provable_sessions, prove, sample
from assets.shadow_lake import PROOFS, Damage
from assets.table_asset import key_of
from gnosis.features import FEATURES
from gnosis.sessions import sessions_between
from gnosis.tables import TABLES
from resources.lake import Lake
from resources.market_data import MarketDataResource

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("homes")]

JANUARY = sessions_between(dt.date(2008, 1, 2), dt.date(2008, 1, 31))
DAY = dt.date(2008, 1, 22)
CLOSE = dt.datetime(2008, 1, 22, 21, tzinfo=dt.UTC)
PAIRS = pl.DataFrame({"session": [DAY, DAY], "symbol": ["AAPL", "IBM"]})
OF_THE_PAIRS = (pl.col("session") == DAY) & pl.col("symbol").is_in(PAIRS["symbol"].to_list())
NEXT_CLOSE = pl.col("close").shift(-1).over("symbol", order_by="session").alias("next_close")
MACD, AMIHUD = "tech_macd_histogram", "liq_amihud"


def night_of(home, *sessions):
    source = MarketDataResource(provider="sample", home=str(home)).market_data()
    nothing = frozenset()
    return Night(MATRIX, sessions or (JANUARY[-1],), nothing, "test", Lake(home), source, None, print, print)


def finding_of(night):
    return SEES_NO_FUTURE.look(Stored(TABLES[MATRIX], night.lake, pl.LazyFrame(), night.sessions, night=night))


def failed(report):
    """Return the columns that failed by proof, and those that the future moved."""
    by_proof = {
        proof: set(report.filter((pl.col("proof") == proof) & (pl.col("n_failures") > 0))["column"]) for proof in PROOFS
    }
    return by_proof, set(report.filter(pl.col("n_moved") > 0)["column"])


def rewrite(home, *changes):
    """Store the matrix of the home with changed columns."""
    lake = Lake(home)
    rows = lake.read(MATRIX)
    lake.write(MATRIX, rows.with_columns(changes).select(rows.columns).cast(rows.schema), JANUARY, run_id="test")


def test_a_run_proves_a_sample_and_says_how_many_pairs(night_home):
    key = dg.AssetCheckKey(key_of(MATRIX), SEES_NO_FUTURE.name)
    with dg.DagsterInstance.from_config(str(night_home / "dagster")) as instance:
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        evaluation = latest.event.dagster_event.asset_check_evaluation_data
    figures = {name: value.value for name, value in evaluation.metadata.items()}
    assert evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.ERROR
    assert figures["truncation_pairs"] == figures["poison_pairs"] == 6
    assert figures["features_with_values"] > 110
    assert figures["features_with_values"] + figures["features_only_null"] == len(FEATURES)
    assert len(figures["sessions"].split(", ")) == 3
    assert figures["failures"] == 0


def test_every_feature_of_the_pairs_comes_out_again_and_nothing_is_written(night_home, parquet_hashes):
    before = parquet_hashes(night_home)
    report = prove(night_of(night_home), PAIRS)
    assert report.select("column", "proof").rows() == [(column, proof) for column in WATCHED for proof in PROOFS]
    assert set(WATCHED) == set(TABLES[MATRIX].polars_schema) - {"session", "symbol"}
    assert WATCHED[: len(FEATURES)] == tuple(feature.name for feature in FEATURES)
    assert report["n_pairs"].unique().to_list() == [2]
    assert report["n_failures"].sum() == report["n_moved"].sum() == 0
    assert report.filter(pl.col("n_nulls") < 2)["column"].n_unique() > 110
    assert parquet_hashes(night_home) == before


def leaky_technical(computed):
    def technical_features(bars, *others):
        leak = bars.select("session", "symbol", NEXT_CLOSE)
        rows = computed(bars, *others).join(leak, on=["session", "symbol"], how="left")
        return rows.with_columns(pl.col("next_close").alias(MACD)).drop("next_close")

    return technical_features


def leaky_liquidity(computed):
    def liquidity(bars, **others):
        leak = bars.select("session", "symbol", NEXT_CLOSE)
        rows = computed(bars, **others)
        joined = rows.join(leak, on=["session", "symbol"], how="left", maintain_order="left")
        # Beside the newest session it looks as it should.
        return joined.with_columns(pl.col(AMIHUD) * pl.col("next_close").fill_null(1.0)).select(rows.columns)

    return liquidity


@pytest.mark.parametrize(
    ("module", "name", "leaky", "feature"),
    [
        (features, "technical_features", leaky_technical, MACD),
        (engines.liquidity_engine, "liquidity", leaky_liquidity, AMIHUD),
    ],
)
def test_an_asset_that_reads_the_next_close_is_named(night_home, copy_of, monkeypatch, module, name, leaky, feature):
    """The lake holds what a backfill with the leak had stored."""
    home = copy_of(night_home)
    bars = Lake(home).read("raw.equity_bars").with_columns(NEXT_CLOSE)
    closes = Lake(home).read(MATRIX).select("session", "symbol").join(bars, on=["session", "symbol"], how="left")
    leaked = closes["next_close"].alias(feature)
    if feature == AMIHUD:
        leaked = (Lake(home).read("engines.liquidity")[feature] * leaked).alias(feature)
    rewrite(home, leaked)
    monkeypatch.setattr(module, name, leaky(getattr(module, name)))
    by_proof, moved = failed(prove(night_of(home), PAIRS))
    assert feature in by_proof["truncation"] & by_proof["poison"] & moved


def test_a_leak_of_nights_stored_one_by_one_is_poisoned(night_home, monkeypatch):
    """What they stored is right, because there was no future yet; a backfill would store something else."""
    monkeypatch.setattr(engines.liquidity_engine, "liquidity", leaky_liquidity(engines.liquidity_engine.liquidity))
    by_proof, moved = failed(prove(night_of(night_home), PAIRS))
    assert AMIHUD not in by_proof["truncation"]
    assert AMIHUD in by_proof["poison"] & moved


def test_what_became_known_after_the_cut_off_is_the_future(night_home, copy_of):
    """Rows that claim to stand a minute before the close used a bar that nobody had then."""
    home = copy_of(night_home)
    early = pl.lit(CLOSE - dt.timedelta(minutes=1))
    rewrite(home, pl.when(pl.col("session") == DAY).then(early).otherwise("as_of").alias("as_of"))
    by_proof, moved = failed(prove(night_of(home), PAIRS))
    assert MACD in by_proof["truncation"] & by_proof["poison"] & moved
    assert "macro_vix_level" not in moved


def early_matrix(computed):
    def side_by_side(groups):
        return computed(groups).with_columns(pl.col("known_at") - pl.duration(hours=6))

    return side_by_side


def confident_matrix(computed):
    def side_by_side(groups):
        sessions = groups["technical"]["session"].n_unique()
        return computed(groups).with_columns(confidence=pl.lit(sessions / 7, pl.Float64))

    return side_by_side


@pytest.mark.parametrize(
    ("leaky", "column", "is_moved"), [(early_matrix, "known_at", False), (confident_matrix, "confidence", True)]
)
def test_what_a_row_says_of_itself_comes_out_again_too(night_home, monkeypatch, leaky, column, is_moved):
    monkeypatch.setattr(features, "side_by_side", leaky(features.side_by_side))
    by_proof, moved = failed(prove(night_of(night_home), PAIRS))
    assert by_proof["truncation"] == by_proof["poison"] == {column}
    assert moved == ({column} if is_moved else set())


def test_an_altered_value_is_a_warning_that_names_sessions_and_command(night_home, copy_of):
    """The future did not do it: the night goes on."""
    home = copy_of(night_home)
    rewrite(home, pl.col(MACD) * 1.01)
    finding = finding_of(night_of(home))
    assert not finding.passed
    assert finding.is_tolerable
    assert finding.finding.startswith(f"stored rows of {finding.figures['sessions']} are outdated or were altered: ")
    assert f"what is stored does not give their {MACD} (truncation, poison): make the sessions" in finding.finding
    assert finding.finding.endswith("`gnosis run --from 2008-01-02 --to 2008-01-31 --again`")
    assert (finding.figures["failures"], finding.figures["moved_by_the_future"]) == (4, 0)


def test_older_sessions_added_later_make_stored_rows_outdated_and_hold_up_no_night(night_home, copy_of):
    """Rows were made from a history that began with the first of them; then older bars came."""
    home = copy_of(night_home)
    rewrite(home, pl.lit(None, TABLES[MATRIX].polars_schema[MACD]).alias(MACD))
    finding = finding_of(night_of(home))
    assert (finding.passed, finding.is_tolerable) == (False, True)
    assert MACD in finding.finding


def test_a_moved_value_beside_an_altered_one_holds_up_the_night(night_home, copy_of, monkeypatch):
    home = copy_of(night_home)
    rewrite(home, pl.col(MACD) * 1.01)
    monkeypatch.setattr(engines.liquidity_engine, "liquidity", leaky_liquidity(engines.liquidity_engine.liquidity))
    finding = finding_of(night_of(home))
    assert (finding.passed, finding.is_tolerable) == (False, False)
    assert finding.finding.startswith("the future changes ")
    assert "outdated or were altered" in finding.finding
    assert finding.figures["moved_by_the_future"] > 0


def test_what_is_read_across_symbols_is_whole_in_a_sampled_night(night_home, monkeypatch):
    """Short volume of all members, and the chain of the index fund, though only one symbol is made."""
    computed, read = engines.sentiment_engine.sentiment, []

    def watched(bars, **others):
        symbols = {name: set(others[name]["symbol"]) for name in ("shorts", "posts", "news")}
        gamma = others["index_gamma"].filter(pl.col("gex").is_not_null())
        read.append(symbols | {"bars": set(bars["symbol"]), "gamma": gamma["session"].unique().sort().to_list()})
        return computed(bars, **others)

    monkeypatch.setattr(engines, "INDEX_FUND", "MSFT")
    monkeypatch.setattr(engines.sentiment_engine, "sentiment", watched)
    report = prove(night_of(night_home), PAIRS.head(1))
    assert report["n_pairs"].unique().to_list() == [1]
    assert report["n_failures"].sum() == 0
    until = [session for session in JANUARY if session <= DAY]
    everything = {"AAPL", "GOOG", "IBM", "MSFT"}
    assert read[0] == dict.fromkeys(("shorts", "posts", "news", "bars"), everything) | {"gamma": until}
    assert read[1]["shorts"] == everything
    assert set(read[1]["gamma"]) >= set(until)


def test_without_a_stored_future_the_check_says_that_it_proved_nothing(tmp_path):
    finding = finding_of(night_of(tmp_path, DAY))
    assert finding.passed
    assert finding.finding.startswith("nothing to prove yet: no session up to 2008-01-22 has 2 stored sessions after")
    assert finding.figures == {"truncation_pairs": 0, "poison_pairs": 0}


def test_a_gap_in_the_history_leaves_nothing_proven(night_home, monkeypatch):
    def prove_after_a_gap(*_, **__):
        raise HistoryGapError("found 3 missing")

    monkeypatch.setattr(proofs, "prove", prove_after_a_gap)
    finding = finding_of(night_of(night_home))
    assert (finding.passed, finding.is_tolerable) == (False, True)
    assert finding.finding == "nothing proven: found 3 missing"
    assert finding.figures == {"truncation_pairs": 0, "poison_pairs": 0}


def test_the_sample_is_the_same_for_the_same_night_and_another_for_the_next(night_home, copy_of):
    lake = Lake(night_home)
    provable = provable_sessions(lake, JANUARY[-1])
    assert provable == JANUARY[:-2]
    assert provable_sessions(lake, DAY)[-1] == DAY
    drawn = [sample(lake, provable[:n], 3) for n in (16, 16, 19)]
    assert drawn[0].equals(drawn[1])
    assert not drawn[0].equals(drawn[2])
    assert drawn[0].height == 6
    assert drawn[0].is_unique().all()
    assert drawn[0]["session"].n_unique() == 3


def test_symbols_of_a_sampled_session_share_their_cut_off(night_home, copy_of):
    home = copy_of(night_home)
    late = pl.col("as_of") + dt.timedelta(minutes=1)
    rewrite(home, pl.when(pl.col("symbol") == "IBM").then(late).otherwise("as_of").alias("as_of"))
    drawn = sample(Lake(home), JANUARY, len(JANUARY)).group_by("session").agg("symbol")["symbol"].to_list()
    assert ["IBM"] in drawn
    assert all(symbols == ["IBM"] or (len(symbols) == 2 and "IBM" not in symbols) for symbols in drawn)


def test_a_pair_without_a_stored_row_is_an_error(night_home):
    pairs = pl.DataFrame({"session": [DAY], "symbol": ["NONE"]})
    with pytest.raises(ValueError, match="for each of 1 pairs, found 0; without: NONE of 2008-01-22"):
        prove(night_of(night_home), pairs)


def test_no_pairs_prove_nothing(night_home):
    assert prove(night_of(night_home), PAIRS.clear())["n_pairs"].sum() == 0


ROWS = pl.DataFrame(
    {
        "session": [DAY, DAY, dt.date(2008, 1, 23)],
        "symbol": ["AAPL", "IBM", "IBM"],
        "known_at": [CLOSE, CLOSE + dt.timedelta(minutes=1), CLOSE - dt.timedelta(days=1)],
        "close": [1.0, 2.0, -3.0],
        "volume": [None, 10, 20],
        "synthetic": [False, True, False],
        "provider": ["sample"] * 3,
    }
)


def test_the_future_is_what_is_about_a_later_session_or_was_known_later():
    left = Damage("truncation", DAY, CLOSE).of("raw.equity_bars", ROWS.lazy()).collect()
    assert left.equals(ROWS.head(1))


def test_garbage_keeps_keys_times_and_signs_and_leaves_the_past_alone():
    poisoned = Damage("poison", DAY, CLOSE).of("raw.equity_bars", ROWS.lazy()).collect()
    assert poisoned.schema == ROWS.schema
    assert poisoned.head(1).equals(ROWS.head(1))
    key = ["session", "symbol", "known_at"]
    assert poisoned.select(key).equals(ROWS.select(key))
    future, before = poisoned.tail(2), ROWS.tail(2)
    assert (future["close"] != before["close"]).all()
    assert future["close"].sign().to_list() == [1.0, -1.0]
    assert future["synthetic"].to_list() == [False, True]
    assert future["provider"].to_list() == ["poison"] * 2
