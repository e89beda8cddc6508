"""The model registry as a mirror of the lake: versions once, aliases by the decisions, rollback included."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from resources.tracking import Tracking, TrackingError, recorded_promotion, registered_name
from resources.tracking.registry import standings
from tests.resources.trainings import UNIVERSE, decision, promotion, training_of

NAME = "gnosis-direction-h5-sample"


@pytest.fixture(scope="module")
def published() -> list[str]:
    return training_of().published["model_version"].to_list()


def _client(tracking: Tracking):
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking.address)


def _aliases(tracking: Tracking) -> dict[str, str]:
    """Alias to model version, as the registry shows it."""
    client = _client(tracking)
    shown = client.get_registered_model(NAME).aliases
    return {alias: client.get_model_version(NAME, str(number)).tags["model_version"] for alias, number in shown.items()}


def test_every_published_version_is_registered_once(tracking: Tracking) -> None:
    whole = training_of()
    first = replace(whole, trained=whole.trained.filter(pl.col("fold") < 2))
    tracking.log_training(first)
    tracking.log_training(whole)
    versions = sorted(_client(tracking).search_model_versions(f"name = '{NAME}'"), key=lambda one: int(one.version))
    assert [one.tags["model_version"] for one in versions] == whole.published["model_version"].to_list()
    newest, row = versions[-1], whole.published.row(-1, named=True)
    assert newest.tags["model_sha256"] == row["model_sha256"]
    assert (newest.tags["synthetic"], newest.tags["valid_from"]) == ("true", row["valid_from"].isoformat())
    assert newest.tags["dagster_run_url"] == "http://127.0.0.1:3000/runs/0123abcd-0000"
    assert newest.current_stage == "None"
    model = _client(tracking).get_registered_model(NAME)
    assert model.tags == {"head": "direction", "horizon_bars": "5", "universe": UNIVERSE}
    assert tracking.model_url("direction", 5, UNIVERSE) == f"http://127.0.0.1:5000/#/models/{NAME}"


def test_the_fold_of_a_version_registered_before_uses_it_again(tracking: Tracking) -> None:
    whole = training_of()
    tracking.log_training(replace(whole, trained=whole.trained.filter(pl.col("fold") == 0)))
    run_id = tracking.log_training(whole)
    client = _client(tracking)
    experiment = client.get_run(run_id).info.experiment_id
    (fold,) = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run_id}' and tags.fold = '0'")
    (used,) = client.get_run(fold.info.run_id).inputs.model_inputs
    assert client.get_logged_model(used.model_id).tags["model_version"] == whole.published["model_version"][0]
    assert len(client.search_logged_models([experiment])) == 3


def test_aliases_follow_the_decisions_and_a_rollback_swaps_them(tracking: Tracking, published: list[str]) -> None:
    tracking.log_training(training_of())
    one, two, three = published
    steps = [
        (decision(1, one, "reject", None, None), {"challenger": one}),
        (decision(2, one, "promote", one, None), {"champion": one}),
        (decision(3, two, "promote", two, one), {"champion": two, "previous": one}),
        (decision(4, three, "reject", two, one), {"champion": two, "previous": one, "challenger": three}),
        (decision(5, one, "rollback", one, two), {"champion": one, "previous": two, "challenger": three}),
    ]
    rows = []
    for row, expected in steps:
        rows.append(row)
        decided = promotion(*rows)
        assert not recorded_promotion(tracking, decided, UNIVERSE)
        shown = tracking.mirror_promotion(decided, UNIVERSE)
        assert _aliases(tracking) == expected == {key: value for key, value in shown[NAME].items() if value is not None}
        assert recorded_promotion(tracking, decided, UNIVERSE)
    rejected = _client(tracking).get_model_version(NAME, "3").tags
    assert (rejected["decision"], rejected["failed_gates"]) == ("reject", "G4,G7")
    assert _client(tracking).get_model_version(NAME, "1").tags["decision"] == "rollback"


def test_mirroring_twice_writes_nothing(
    tracking: Tracking, published: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    tracking.log_training(training_of())
    decided = promotion(decision(1, published[0], "promote", published[0], None))
    tracking.mirror_promotion(decided, UNIVERSE)
    for name in ("set_registered_model_alias", "delete_registered_model_alias", "set_model_version_tag"):
        monkeypatch.setattr(MlflowClient, name, lambda *_: pytest.fail("wrote again"))
    tracking.mirror_promotion(decided, UNIVERSE)


def test_an_alias_moved_by_hand_is_moved_back(tracking: Tracking, published: list[str]) -> None:
    tracking.log_training(training_of())
    decided = promotion(decision(1, published[0], "promote", published[0], None))
    tracking.mirror_promotion(decided, UNIVERSE)
    _client(tracking).set_registered_model_alias(NAME, "champion", "2")
    _client(tracking).set_registered_model_alias(NAME, "previous", "3")
    tracking.mirror_promotion(decided, UNIVERSE)
    assert _aliases(tracking) == {"champion": published[0]}


def test_a_champion_that_is_not_registered_leaves_no_wrong_one(tracking: Tracking, published: list[str]) -> None:
    tracking.log_training(training_of())
    tracking.mirror_promotion(promotion(decision(1, published[0], "promote", published[0], None)), UNIVERSE)
    lost = promotion(decision(2, "direction-h5-f9-lost", "promote", "direction-h5-f9-lost", published[0]))
    with pytest.raises(TrackingError, match=r"found none of champion direction-h5-f9-lost; materialise models"):
        tracking.mirror_promotion(lost, UNIVERSE)
    assert _aliases(tracking) == {"previous": published[0]}
    assert not recorded_promotion(tracking, lost, UNIVERSE)


def test_a_registry_without_the_model_names_what_is_missing(tracking: Tracking, published: list[str]) -> None:
    with pytest.raises(TrackingError, match=f"the versions of {NAME} to be registered"):
        tracking.mirror_promotion(promotion(decision(1, published[0], "promote", published[0], None)), UNIVERSE)
    assert tracking.mirror_promotion(promotion(), UNIVERSE) == {}


def test_heads_and_horizons_stand_apart() -> None:
    rows = promotion(
        decision(1, "a", "promote", "a", None),
        decision(1, "b", "reject", None, None, head="meta"),
        decision(1, "c", "promote", "c", None, horizon_bars=20),
    )
    found = {standing.name: standing.aliases for standing in standings(rows, "other")}
    assert found == {
        "gnosis-direction-h20-other": {"champion": "c", "challenger": None, "previous": None},
        "gnosis-direction-h5-other": {"champion": "a", "challenger": None, "previous": None},
        "gnosis-meta-h5-other": {"champion": None, "challenger": "b", "previous": None},
    }


@pytest.mark.parametrize("universe", ["", "a/b", "a:b", "Sample", " x"])
def test_a_universe_that_cannot_be_a_name_is_refused(universe: str) -> None:
    with pytest.raises(ValueError, match="expected a universe of lower-case letters"):
        registered_name("direction", 5, universe)
