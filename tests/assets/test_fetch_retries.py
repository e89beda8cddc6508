"""A fetch that fails for a moment is asked again; one that fails for good is not."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest

from assets import raw
from resources.lake_io_manager import LakeIOManager, LakeResource
from resources.market_data import MarketDataResource
from resources.peer_engines import PeerEnginesResource
from resources.providers import Fetched
from resources.providers.errors import ProviderError, SessionNotCoveredError
from resources.providers.sample import SampleProvider
from resources.scorer_resource import ScorerResource
from resources.tracking_resource import TrackingResource

SESSION = dt.date(2012, 10, 31)


def materialised(
    home: Path, monkeypatch: pytest.MonkeyPatch, errors: Sequence[Exception]
) -> tuple[dg.ExecuteInProcessResult, int]:
    """Materialise the bars of one session while the provider fails with ``errors``, one a call; count the calls."""
    calls = []
    fetch = SampleProvider.fetch

    def failing(self: SampleProvider, table: str, sessions: Sequence[dt.date]) -> Fetched:
        calls.append(table)
        if len(calls) <= len(errors):
            raise errors[len(calls) - 1]
        return fetch(self, table, sessions)

    monkeypatch.setattr(SampleProvider, "fetch", failing)
    at_once = dg.RetryPolicy(max_retries=raw.FETCH_RETRY.max_retries, delay=0)
    days = dg.StaticPartitionsDefinition([SESSION.isoformat()])
    result = dg.materialize(
        [dataclasses.replace(raw.equity_bars, retry=at_once).build(days)],
        partition_key=SESSION.isoformat(),
        resources={
            "lake": LakeResource(home=str(home)),
            "lake_io": LakeIOManager(home=str(home)),
            "market_data": MarketDataResource(provider="sample", home=str(home)),
            "tracking": TrackingResource(home=str(home)),
            "scorer": ScorerResource(),
            "peer_engines": PeerEnginesResource(),
        },
        raise_on_error=False,
    )
    return result, len(calls)


def test_every_fetch_has_the_retry_policy_with_growing_delays_and_waits_its_turn() -> None:
    fetches = [raw.equity_bars, raw.index_levels, raw.option_quotes, raw.macro]
    assert {asset.retry for asset in fetches} == {raw.FETCH_RETRY}
    assert {asset.pool for asset in fetches} == {raw.VENDOR_POOL}
    assert raw.FETCH_RETRY.backoff == dg.Backoff.EXPONENTIAL
    delays = [dg.RetryPolicy(delay=2, backoff=dg.Backoff.EXPONENTIAL).calculate_delay(n) for n in (1, 2, 3)]
    assert delays == [2, 6, 14]


@pytest.mark.parametrize("error", [OSError("connection reset"), TimeoutError("no answer"), ConnectionError("refused")])
def test_a_fetch_that_fails_for_a_moment_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    result, calls = materialised(tmp_path, monkeypatch, [error, error])
    assert result.success
    assert calls == 3
    assert LakeResource(home=str(tmp_path)).lake().sessions("raw.equity_bars") == [SESSION]


def test_a_fetch_is_asked_at_most_four_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, calls = materialised(tmp_path, monkeypatch, [OSError("connection reset")] * 9)
    assert not result.success
    assert calls == 4
    assert LakeResource(home=str(tmp_path)).lake().sessions("raw.equity_bars") == []


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("the key is not accepted"),
        SessionNotCoveredError("vendor", "raw.equity_bars", SESSION, SESSION, SESSION),
    ],
)
def test_a_fetch_that_fails_for_good_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: ProviderError
) -> None:
    result, calls = materialised(tmp_path, monkeypatch, [error])
    assert not result.success
    assert calls == 1
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert told.description == f"raw.equity_bars: {error}"
