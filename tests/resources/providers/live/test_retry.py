"""Repeats: only what may pass, as the service asks, and never for long."""

from __future__ import annotations

import pytest
import stamina

from resources.providers.live import errors
from resources.providers.live.errors import RateLimited, Transient
from resources.providers.live.retry import Retry

TOLD = ("example", "bars", "HTTP 503", "asked again later")


class Attempts:
    def __init__(self, *outcomes) -> None:
        self.outcomes, self.n = list(outcomes), 0

    def __call__(self):
        self.n += 1
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def waits(monkeypatch):
    """The pauses that are made, with the clock of the repeats going on by them."""
    import tenacity

    made, now = [], [100.0]

    def sleep(seconds):
        made.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(tenacity.nap.time, "sleep", sleep)
    with stamina.set_testing(False):
        yield made


def test_a_temporary_failure_is_repeated():
    attempts = Attempts(Transient(*TOLD), RateLimited(*TOLD), "rows")
    assert Retry(attempts=3).call(attempts) == "rows"
    assert attempts.n == 3


def test_the_last_error_goes_on_when_all_attempts_fail():
    attempts = Attempts(*(Transient("example", "bars", str(n), "later") for n in range(3)))
    with pytest.raises(Transient, match="found 2"):
        Retry(attempts=3).call(attempts)


@pytest.mark.parametrize("name", ["AuthError", "EntitlementError", "NotFound", "EmptyResult", "SchemaDrift"])
def test_what_will_not_pass_is_not_repeated(name):
    attempts = Attempts(getattr(errors, name)(*TOLD), "rows")
    with pytest.raises(getattr(errors, name)):
        Retry().call(attempts)
    assert attempts.n == 1


def test_an_exception_that_is_not_ours_goes_through_at_once():
    attempts = Attempts(ZeroDivisionError("a bug"), "rows")
    with pytest.raises(ZeroDivisionError):
        Retry().call(attempts)
    assert attempts.n == 1


def test_repeats_say_nothing(capsys, caplog):
    Retry().call(Attempts(Transient(*TOLD), "rows"))
    assert capsys.readouterr() == ("", "")
    assert caplog.text == ""


def test_the_wait_that_the_service_asks_for_is_kept(waits):
    attempts = Attempts(RateLimited(*TOLD, retry_after=7.0), "rows")
    assert Retry(longest_s=60.0).call(attempts) == "rows"
    assert waits == [7.0]


def test_a_wait_longer_than_allowed_is_not_begun(waits):
    attempts = Attempts(RateLimited(*TOLD, retry_after=61.0), "rows")
    with pytest.raises(RateLimited):
        Retry(longest_s=60.0).call(attempts)
    assert (waits, attempts.n) == ([], 1)


def test_waits_together_stay_within_the_longest_time(waits):
    attempts = Attempts(*(RateLimited(*TOLD, retry_after=25.0) for _ in range(9)))
    with pytest.raises(RateLimited):
        Retry(attempts=9, longest_s=60.0).call(attempts)
    assert waits == [25.0, 25.0]


def test_pauses_grow_with_jitter_up_to_the_longest(waits):
    attempts = Attempts(*(Transient(*TOLD) for _ in range(6)), "rows")
    retry = Retry(attempts=7, first_pause_s=1.0, longest_pause_s=4.0, jitter_s=0.5)
    assert retry.call(attempts) == "rows"
    assert all(
        low <= wait <= min(low + 0.5, 4.0) for low, wait in zip([1.0, 2.0, 4.0, 4.0, 4.0, 4.0], waits, strict=True)
    )
