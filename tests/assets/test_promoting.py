"""Promotion: what a night, a judging run and a rollback make of the decisions, on a small market with an edge."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets import gates_of_data, models, promoting, proofs
from assets.checks import Stored
from assets.gate_evidence import calibrated, sha256_of_frame
from assets.gates_of_data import drawn_pairs, green_checks, proofs_of, proven_features
from assets.gates_of_serving import latency, parity
from assets.model_tracking import universe_of
from assets.night import Night
from assets.promoting import PROMOTE_TAG, ROLLBACK_TAG, promote
from gnosis.backtest.trials import MemoryLedger, vault_openings
from gnosis.learning import evaluation as learning_evaluation
from gnosis.learning import gate_statistics
from gnosis.learning.evaluation import evaluate
from gnosis.learning.evidence import Evidence, Proof
from gnosis.learning.folds import folds_frame, walk_forward
from gnosis.learning.gate_statistics import FEWEST_PAIRS
from gnosis.learning.gates import gates
from gnosis.learning.head_answers import head_answers
from gnosis.learning.known_truth import planted_bars, planted_features
from gnosis.learning.labels import labels
from gnosis.learning.matrix import FEATURE_NAMES, dataset, feature_rows
from gnosis.learning.training import train
from gnosis.tables import TABLES
from gnosis.tables.model_scores import GATES
from resources.lake import Lake
from resources.market_data import MarketDataResource
from resources.tracking import Tracking, TrackingError
from tests.gnosis.learning.conftest import CODE, FEW_ROUNDS
from tests.gnosis.learning.test_promotion import GOOD

HORIZON = 5
N_SYMBOLS, N_SESSIONS = 4, 900
LENIENT = {"P_BELOW": 0.25, "LARGEST_ECE": 0.10, "LEAST_DEFLATED_SHARPE_RATIO": 0.80}
"""Limits of skill, calibration and luck that a market of four symbols keeps; those of all other gates stand."""


def without_alarm(patch: pytest.MonkeyPatch) -> None:
    """The planted edge is plain enough to be taken for a leak."""
    for name in ("ALARM_AUC", "ALARM_IC", "ALARM_ACCURACY"):
        patch.setattr(learning_evaluation, name, 1.0)


class Away(Tracking):
    """A tracking server that is down."""

    def mirror_promotion(self, promotion: pl.DataFrame, universe: str) -> dict[str, dict[str, str | None]]:
        raise TrackingError(f"could not mirror {promotion.height} decisions of {universe}")


@dataclass
class Desk:
    """A lake, and nights that listen to what is said."""

    lake: Lake
    tracking: Tracking | None = None
    said: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)

    @property
    def last(self) -> dt.date:
        return self.lake.sessions("features.matrix")[-1]

    def night(self, asset=models.promotion, sessions=None, **tags: str) -> Night:
        return Night(
            asset.tables[0].name,
            tuple(sessions or (self.last,)),
            asset.reads,
            "run",
            self.lake,
            None,  # type: ignore[arg-type]
            self.tracking or Away(self.lake.home),
            self.said.append,
            self.warned.append,
            tags={f"gnosis/{name}": value for name, value in tags.items()},
            feedback=asset.feedback,
        )

    def make(self, asset, sessions=None) -> None:
        made = asset.made(self.night(asset, sessions))
        for name, rows in made.items():
            self.lake.write(name, rows.frame, sessions, "run")

    def store(self, made) -> None:
        for name, rows in made.items():
            self.lake.write(name, rows.frame, None, "run")


def of_matrix(features: pl.DataFrame) -> pl.DataFrame:
    """Rows of the whole table features.matrix."""
    table = TABLES["features.matrix"]
    mask = pl.concat_list([pl.col(name).is_null() for name in FEATURE_NAMES])
    rows = features.with_columns(missing_mask=mask, n_missing=mask.list.sum())
    return rows.select(list(table.polars_schema)).cast(table.polars_schema)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a market of 4 symbols over 900 sessions, with models of the direction. Read it or copy it."""
    home = tmp_path_factory.mktemp("promoting") / "home"
    desk = Desk(Lake(home))
    lake = desk.lake
    bars, signal = planted_bars(N_SYMBOLS, N_SESSIONS, seed=21, edge=0.25)
    days = bars["session"].unique().sort().to_list()
    matrix = of_matrix(planted_features(bars, signal, seed=22))
    lake.write("raw.equity_bars", bars, days, "run")
    lake.write("features.matrix", matrix, days, "run")
    known = labels(bars)
    lake.write("models.labels", known, days, "run")
    features = feature_rows(matrix)
    rows = dataset(features, known.filter(horizon_bars=HORIZON))
    lake.write("models.dataset", rows, None, "run")
    due = walk_forward(rows)
    folds = folds_frame(rows, due)
    lake.write("models.folds", folds, None, "run")
    options = {"recorder": MemoryLedger(), "code_sha256": CODE, "heads": ("direction",), "parameters": FEW_ROUNDS}
    trained = train(features, rows, due, horizon=HORIZON, **options)
    lake.write("models.trained", trained, None, "run")
    answers = head_answers(features, trained, rows, HORIZON)
    with pytest.MonkeyPatch.context() as patch:
        without_alarm(patch)
        lake.write("models.evaluation", evaluate(answers, rows, folds), None, "run")
    desk.make(models.drift, days[-8:])
    desk.make(models.predictions, days[-6:])
    return home


@pytest.fixture
def desk(stored: Path, copy_of) -> Desk:
    return Desk(Lake(copy_of(stored)))


@pytest.fixture(scope="module")
def reader(stored: Path) -> Desk:
    """The stored home, for what writes nothing."""
    return Desk(Lake(stored))


def report_of(pairs: pl.DataFrame, **failures: int) -> pl.DataFrame:
    """What proofs of these pairs say, with failures by column."""
    lines = [
        (name, proof, pairs.height, 0, failures.get(name, 0), 0, [])
        for name in proofs.WATCHED
        for proof in proofs.PROOFS
    ]
    return pl.DataFrame(lines, schema=proofs.REPORT, orient="row")


@pytest.fixture
def proven(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[pl.DataFrame]]:
    """Features that were planted follow from no bars: the proofs are made up, and the pairs asked for are kept."""
    asked: list[pl.DataFrame] = []

    def prove(_: Night, pairs: pl.DataFrame, *, seed: int) -> pl.DataFrame:
        asked.append(pairs)
        return report_of(pairs)

    monkeypatch.setattr(gates_of_data.proofs, "prove", prove)
    return asked


@pytest.fixture
def approved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every candidate passes every gate."""
    monkeypatch.setattr(promoting, "gather", lambda case: replace(GOOD, champion=case.champion))


def versions(desk: Desk) -> list[str]:
    trained = desk.lake.read("models.trained").filter(pl.col("model_name") == "xgboost").sort("fold")
    return trained["model_version"].to_list()


def without_newest(desk: Desk) -> pl.DataFrame:
    """Store the models without the newest fold, and return all of them."""
    trained = desk.lake.read("models.trained")
    desk.lake.write("models.trained", trained.filter(pl.col("fold") < trained["fold"].max()), None, "run")
    return trained


def test_everything_is_measured_and_the_gates_decide(desk, proven):
    made = promote(desk.night(promote="true"), HORIZON)
    row = made["models.promotion"].frame.row(0, named=True)
    listed = made["models.gates"].frame
    document = json.loads(row["document"])
    assert row["model_version"] == versions(desk)[-1]
    assert set(listed["gate"].cast(pl.String)) == set(GATES)
    failed = set(listed.filter(~pl.col("passed"))["gate"].cast(pl.String))
    assert set((row["failed_gates"] or "").split(",")) - {""} == failed
    assert row["decision"] == ("reject" if failed else "promote")
    # The others depend on how the draw of the market fell.
    assert not failed & {"G1", "G2", "G3", "G8", "G9", "G10"}
    evidence = document["evidence"]
    assert set(evidence["artefacts"]) == set(GATES)
    assert (evidence["parity"]["sessions"], evidence["parity"]["rows"]) == (5, 5 * N_SYMBOLS)
    assert evidence["latency"]["calls"] == 1000
    assert evidence["checks"]["models.trained.of_the_same_origin"]
    assert evidence["overfitting"]["n_trials"] == 3 + 2
    assert set(evidence["hashes"]) == {"model_sha256", "predictions_sha256", "stored_model_sha256"}
    assert row["synthetic"]
    shown = made["models.promotion"].metadata
    assert shown["document_sha256"] == row["document_sha256"]
    assert "| G10 | hashes_different | 0 | == 0 | 3 | yes |" in shown["gates"].md_str
    ledger = desk.night().ledger.rows()
    assert vault_openings(ledger, "S00+S01+S02+S03 h5 direction") == shown["vault_openings"] == 1
    universe = universe_of(desk.lake.read("models.dataset"))
    assert desk.warned == [f"could not mirror 1 decisions of {universe}"]
    desk.store(made)
    again = promote(desk.night(promote="true"), HORIZON)
    assert again["models.promotion"].frame.equals(made["models.promotion"].frame)
    assert f"was judged as of {desk.last} before" in desk.said[-1]
    assert desk.night().ledger.rows().equals(ledger)


def test_a_night_judges_nothing(desk, monkeypatch):
    monkeypatch.setattr(promoting, "gather", None)
    for tags in ({}, {"promote": "false"}):
        made = promote(desk.night(**tags), HORIZON)
        assert [rows.frame.height for rows in made.values()] == [0, 0]
    assert (desk.said, desk.warned) == ([], [])
    assert desk.night().ledger.rows().is_empty()


def test_decisions_are_appended_and_the_champion_is_compared(desk, approved):
    trained = without_newest(desk)
    desk.store(promote(desk.night(promote="true"), HORIZON))
    promote(desk.night(promote="true"), HORIZON)
    assert "is the champion" in desk.said[-1]
    desk.lake.write("models.trained", trained, None, "run")
    first = desk.lake.read("models.promotion")
    desk.store(promote(desk.night(promote="true"), HORIZON))
    decided = desk.lake.read("models.promotion").sort("decision_number")
    old, new = versions(desk)[-2:]
    assert decided.select("decision", "champion", "previous").rows() == [("promote", old, None), ("promote", new, old)]
    assert decided.head(1).equals(first)
    assert desk.lake.read("models.gates")["document_sha256"].n_unique() == 2


def test_a_rollback_swaps_the_champions_once_and_is_not_undone_by_the_next_judgement(desk, approved):
    trained = without_newest(desk)
    desk.store(promote(desk.night(promote="true"), HORIZON))
    desk.lake.write("models.trained", trained, None, "run")
    desk.store(promote(desk.night(promote="true"), HORIZON))
    old, new = versions(desk)[-2:]
    for _ in range(2):
        desk.store(promote(desk.night(rollback=" it lost "), HORIZON))
    last = desk.lake.read("models.promotion").sort("decision_number").row(-1, named=True)
    assert (last["decision_number"], last["decision"], last["champion"], last["previous"]) == (3, "rollback", old, new)
    assert json.loads(last["document"])["reason"] == "it lost"
    assert "for this reason already" in desk.said[-1]
    made = promote(desk.night(promote="true"), HORIZON)
    assert made["models.promotion"].frame.height == 3
    assert "was rolled back: it lost" in desk.said[-1]


def test_a_promoted_version_stays_for_the_way_back_and_one_that_is_gone_is_named(desk, approved):
    trained = without_newest(desk)
    desk.store(promote(desk.night(promote="true"), HORIZON))
    desk.lake.write("models.trained", trained, None, "run")
    desk.store(promote(desk.night(promote="true"), HORIZON))
    newest = int(trained["fold"].max())
    # The weekly training fits neither fold anew, whatever became of their rows.
    assert models._folds_of_champions(desk.night(models.trained), trained) == [newest - 1, newest]
    old = versions(desk)[-2]
    desk.lake.write("models.trained", trained.filter(pl.col("model_version") != old), None, "run")
    with pytest.raises(
        dg.Failure, match=f"expected the model {old} of the previous champion in models.trained"
    ) as gone:
        promote(desk.night(rollback="it lost"), HORIZON)
    assert not gone.value.allow_retries


def test_a_person_rejects_a_passing_challenger_for_good(desk, approved):
    trained = without_newest(desk)
    desk.store(promote(desk.night(promote="true"), HORIZON))
    with pytest.raises(dg.Failure, match="expected a challenger to reject, found the champion"):
        promote(desk.night(reject="no"), HORIZON)
    desk.lake.write("models.trained", trained, None, "run")
    desk.store(promote(desk.night(reject=" hours have changed "), HORIZON))
    old, new = versions(desk)[-2:]
    last = desk.lake.read("models.promotion").sort("decision_number").row(-1, named=True)
    assert (last["decision"], last["model_version"], last["champion"], last["failed_gates"]) == (
        "reject",
        new,
        old,
        None,
    )
    assert json.loads(last["document"])["rejected_by_a_person"] == "hours have changed"
    for tags in ({"promote": "true"}, {"reject": "again"}):
        assert promote(desk.night(**tags), HORIZON)["models.promotion"].frame.height == 2
        assert "because a person rejected it: hours have changed" in desk.said[-1]
    with pytest.raises(dg.Failure, match="expected a reason as the value of the tag gnosis/reject"):
        promote(desk.night(reject=" "), HORIZON)


def look_at(desk, asset, name, checked):
    table = TABLES[name]
    (check,) = [check for check in asset.own_checks[name] if check.name == checked]
    return check.look(Stored(table, desk.lake, desk.lake.scan(name), None))


def test_a_decision_is_that_of_its_document_and_its_gates(desk, approved):
    desk.store(promote(desk.night(promote="true"), HORIZON))
    decided, gates = desk.lake.read("models.promotion"), desk.lake.read("models.gates")

    def verified():
        return look_at(desk, models.promotion, "models.promotion", "documents_verify")

    assert verified().passed
    for column, value in (("document_sha256", "0" * 64), ("decision", "reject"), ("session", dt.date(2024, 1, 2))):
        changed = decided.with_columns(pl.lit(value).cast(decided.schema[column]).alias(column))
        desk.lake.write("models.promotion", changed, None, "test")
        assert not verified().passed, column
    desk.lake.write("models.promotion", decided, None, "test")
    desk.lake.write("models.gates", gates.with_columns(passed=~pl.col("passed")), None, "test")
    assert "gates of decision 1 are not those" in verified().finding


def test_a_fold_with_a_row_whose_outcome_was_not_known_is_found(desk):
    folds = desk.lake.read("models.folds")

    def counted():
        return look_at(desk, models.folds, "models.folds", "train_before_test")

    assert counted().passed and counted().figures["purged"] > 0
    longer = folds.with_columns(pl.col("n_train") + 1)
    desk.lake.write("models.folds", longer, None, "test")
    assert not counted().passed
    desk.lake.write("models.folds", folds.with_columns(train_last=pl.col("test_first")), None, "test")
    assert not counted().passed


def test_predictions_of_other_features_than_those_stored_are_found(desk):
    def compared():
        return look_at(desk, models.predictions, "models.predictions", "features_as_stored")

    assert compared().passed and compared().figures["compared"] == 6 * N_SYMBOLS
    matrix = desk.lake.read("features.matrix")
    day = desk.lake.sessions("models.predictions")[-1]
    other = matrix.filter(pl.col("session") == day).with_columns(pl.col(FEATURE_NAMES[0]).fill_null(0.0) + 0.25)
    desk.lake.write("features.matrix", other, [day], "test")
    assert f"{N_SYMBOLS} of other features" in compared().finding


def test_a_rollback_needs_a_champion_before_and_a_reason(desk):
    with pytest.raises(dg.Failure, match="expected a champion of direction before now to return to") as none_before:
        promote(desk.night(rollback="it lost"), HORIZON)
    assert not none_before.value.allow_retries
    with pytest.raises(dg.Failure, match="expected a reason as the value of the tag gnosis/rollback"):
        promote(desk.night(rollback=" "), HORIZON)


def test_the_tags_are_those_of_the_jobs():
    from jobs.nightly import TRAINING_TAGS

    assert TRAINING_TAGS[PROMOTE_TAG] == "true"
    assert ROLLBACK_TAG == "gnosis/rollback"


def test_without_a_model_there_is_nothing_to_judge(desk):
    desk.lake.write("models.trained", TABLES["models.trained"].empty(), None, "run")
    made = promote(desk.night(promote="true"), HORIZON)
    assert made["models.promotion"].frame.is_empty()
    assert "no model of the direction is trained yet" in desk.said[-1]


def test_a_red_check_of_the_training_sessions_is_named(desk):
    days = desk.lake.sessions("features.matrix")
    green = green_checks(desk.night(), days[100], days[500])
    assert all(green.values())
    assert {name.rsplit(".", 1)[0] for name in green} == set(gates_of_data.CHECKED)
    assert not [name for name in green if name.endswith("sees_no_future")]
    lacking = desk.lake.read("features.matrix", days[300], days[300]).clear()
    desk.lake.write("features.matrix", lacking, [days[300]], "run")
    red = green_checks(desk.night(), days[100], days[500])
    assert [name for name in red if not red[name]] == ["features.matrix.no_session_missing"]
    assert all(green_checks(desk.night(), days[301], days[500]).values())
    scores = desk.lake.read("models.evaluation")
    suspect = scores.with_columns(verdict=pl.lit("too_good").cast(scores["verdict"].dtype))
    desk.lake.write("models.evaluation", suspect, None, "run")
    red = green_checks(desk.night(), days[301], days[500])
    assert [name for name in red if not red[name]] == ["models.evaluation.not_too_good"]


def test_pairs_are_drawn_until_every_feature_was_seen(desk):
    plain = drawn_pairs(desk.night())
    assert plain.height >= FEWEST_PAIRS
    assert plain.equals(drawn_pairs(desk.night()))
    days = desk.lake.sessions("features.matrix")
    assert plain["session"].max() <= days[-1 - proofs.FOLLOWING_SESSIONS]
    rare = "tech_atr"
    newest = desk.lake.read("features.matrix", days[-70])
    is_rare = pl.col("symbol") == "S01"
    changed = newest.with_columns(pl.when(is_rare).then(pl.col(rare)).alias(rare))
    desk.lake.write("features.matrix", changed, days[-70:], "run")
    more = drawn_pairs(desk.night())
    seen = changed.join(more, on=["session", "symbol"], how="semi")
    assert seen[rare].drop_nulls().len() >= FEWEST_PAIRS
    assert more.height > plain.height


def test_nulls_prove_only_what_taught_nothing(reader):
    pairs = drawn_pairs(reader.night())
    report = report_of(pairs).with_columns(
        n_nulls=pl.when(pl.col("column").is_in(["tech_atr", "sent_bias"])).then(pairs.height).otherwise("n_nulls")
    )
    found, told = proofs_of(report, set(FEATURE_NAMES) - {"sent_bias"})
    assert found["tech_atr"] == Proof(0, 0)
    assert found["sent_bias"] == Proof(pairs.height, 0)
    assert told
    assert not proofs_of(report_of(pairs, known_at=1), set(FEATURE_NAMES))[1]
    assert proofs_of(report_of(pairs, tech_atr=2), set(FEATURE_NAMES))[0]["tech_atr"].failures == 4


def test_predictions_come_out_again_until_their_features_change(desk):
    night = desk.night()
    features = feature_rows(desk.lake.read("features.matrix"))
    same, compared = parity(night, features, HORIZON)
    assert (same.sessions, same.rows, same.feature_rows_different, same.predictions_different) == (5, 20, 0, 0)
    assert compared.height == 20
    is_one = (pl.col("session") == desk.last) & (pl.col("symbol") == "S02")
    altered = features.with_columns(pl.when(is_one).then(9.0).otherwise(pl.col("tech_momentum_zscore").cast(pl.Float32))
                                    .alias("tech_momentum_zscore"))  # fmt: skip
    other, _ = parity(night, altered, HORIZON)
    assert (other.feature_rows_different, other.predictions_different) == (1, 1)
    published = desk.lake.sessions("models.predictions")
    desk.lake.write("models.predictions", TABLES["models.predictions"].empty(), published, "run")
    assert parity(night, features, HORIZON)[0].sessions == 0


def test_a_missing_champion_is_a_warning_and_no_parity(desk, approved):
    made = promote(desk.night(promote="true"), HORIZON)
    gone = made["models.promotion"].frame.with_columns(
        champion=pl.lit("direction-h5-f0-gone"), session=pl.lit(desk.lake.sessions("features.matrix")[0])
    )
    desk.lake.write("models.promotion", gone, None, "run")
    features = feature_rows(desk.lake.read("features.matrix"))
    assert parity(desk.night(), features, HORIZON)[0] is None
    assert "expected the champion direction-h5-f0-gone" in desk.warned[-1]


def test_answers_are_timed_one_by_one(reader):
    features = feature_rows(reader.lake.read("features.matrix"))
    rows = reader.lake.read("models.dataset")
    published = reader.lake.read("models.trained").filter((pl.col("model_name") == "xgboost") & (pl.col("fold") == 0))
    found = latency(published, features, rows, calls=50)
    assert found.calls == 50
    assert 0.0 < found.native_median_ms < found.answer_p95_ms * 50.0


def test_undefined_calibration_fails_and_an_unscored_one_is_insufficient(reader):
    scores = reader.lake.read("models.evaluation").filter(
        (pl.col("model_name") == "xgboost") & (pl.col("scope") == "stitched")
    )
    found = calibrated(scores)
    assert found.ece == scores.filter(pl.col("metric") == "ece")["value"][0]
    assert found.n == scores["n"][0]
    undefined = calibrated(scores.with_columns(value=pl.when(pl.col("metric") != "ece").then("value")))
    judged = gates(Evidence(horizon_bars=5, head="direction", champion=None, calibrated=undefined))
    assert not next(each for each in judged if each.statistic == "ece").passed
    assert calibrated(scores.filter(pl.col("metric") != "ece")) is None


def test_the_same_rows_have_the_same_hash(reader):
    scores = reader.lake.read("models.evaluation")
    assert sha256_of_frame(scores) == sha256_of_frame(scores.clone())
    assert sha256_of_frame(scores) != sha256_of_frame(scores.reverse())


def aliases(home: Path) -> dict[str, str]:
    """Model version by alias of the one registered model."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(Tracking(home).address, Tracking(home).address)
    (model,) = client.search_registered_models()
    held = {alias: client.get_model_version_by_alias(model.name, alias) for alias in model.aliases}
    return {alias: version.tags["model_version"] for alias, version in held.items()}


def require_handed_over(home: Path) -> None:
    """The run of the training holds what drift is measured against, and how fast its models answer."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(Tracking(home).address)
    (run,) = client.search_runs(["1"], "tags.kind = 'training'")
    assert 0.0 < run.data.metrics["training/native_median_ms"] < run.data.metrics["training/answer_p95_ms"] * 50.0
    assert run.data.metrics["training/process_peak_memory_mib"] > 100.0
    (stored,) = home.glob(f"mlartifacts/{run.info.run_id}/artifacts/tables/drift_reference.parquet")
    assert pl.read_parquet(stored)["feature"].n_unique() == len(FEATURE_NAMES)


@pytest.mark.heavy
@pytest.mark.xdist_group("mlflow")
def test_an_edge_is_promoted_and_the_registry_follows_it_there_and_back(
    stored, copy_of, proven, monkeypatch, command_line
):
    """Everything is measured and judged by the product; only the limits are those of so small a market."""
    home = copy_of(stored)
    desk = Desk(Lake(home), Tracking(home))
    without_alarm(monkeypatch)
    desk.store(models.evaluation.made(desk.night(models.evaluation)))
    assert not desk.warned
    require_handed_over(home)
    old, new = versions(desk)[-2:]
    trained = without_newest(desk)
    with monkeypatch.context() as patch:
        patch.setattr(promoting, "gather", lambda case: replace(GOOD, champion=case.champion))
        desk.store(promote(desk.night(promote="true"), HORIZON))
    assert aliases(home) == {"champion": old}

    desk.lake.write("models.trained", trained, None, "run")
    for name, limit in LENIENT.items():
        monkeypatch.setattr(gate_statistics, name, limit)
    desk.store(promote(desk.night(promote="true"), HORIZON))
    decided = desk.lake.read("models.promotion").sort("decision_number").row(-1, named=True)
    lines = [line for line in json.loads(decided["document"])["gates"] if not line["pass"]]
    assert (decided["decision"], decided["champion"]) == ("promote", new), [
        (g["gate"], g["statistic"], g["reason"]) for g in lines
    ]
    assert aliases(home) == {"champion": new, "previous": old}
    assert not desk.warned

    said = command_line(home, "rollback", "--reason", "it lost")
    assert said.status == 0, said.err
    assert aliases(home) == {"champion": old, "previous": new}
    last = Lake(home).read("models.promotion").sort("decision_number").row(-1, named=True)
    assert (last["decision"], json.loads(last["document"])["reason"]) == ("rollback", "it lost")


@pytest.mark.heavy
@pytest.mark.xdist_group("homes")
def test_a_stored_leak_fails_the_gate(night_home, copy_of, monkeypatch):
    """A stored feature is the return of the next sessions: it does not come out again without them."""
    monkeypatch.setattr(gates_of_data, "FEWEST_PAIRS", 4)
    lake = Lake(copy_of(night_home))
    matrix, bars = lake.read("features.matrix"), lake.read("raw.equity_bars")
    ahead = pl.col("close").log().diff(2).shift(-2).over("symbol", order_by="session").alias("ahead")
    leaked = matrix.join(bars.select("session", "symbol", ahead), on=["session", "symbol"], how="left")
    leak = leaked.with_columns(tech_atr=pl.col("ahead").cast(matrix["tech_atr"].dtype)).select(matrix.columns)
    source = MarketDataResource(provider="sample", home=str(lake.home)).market_data()
    desk = Desk(lake)
    night = replace(desk.night(), market_data=source)
    clean, told, report = proven_features(night, matrix)
    assert {proof.failures for proof in clean.values()} == {0}
    assert (told, report.height) == (True, 2 * len(proofs.WATCHED))
    lake.write("features.matrix", leak, lake.sessions("features.matrix"), "run")
    found, _, _ = proven_features(night, leak)
    assert [name for name, proof in found.items() if proof.failures] == ["tech_atr"]
    judged = gates(Evidence(horizon_bars=5, head="direction", champion=None, proofs=found))
    assert [each.reason for each in judged if each.statistic == "leaking_features"] == [
        "expected == 0, found 1: tech_atr"
    ]
