"""Budgets: several rates at once, shared by processes, and never a long wait."""

from __future__ import annotations

import pytest

from resources.providers.live.errors import RateLimited, Transient
from resources.providers.live.rate_limit import RateBudget
from resources.providers.live.service import Rate


class Time:
    def __init__(self) -> None:
        self.now, self.slept = 1_000.0, []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time_() -> Time:
    return Time()


def budget(folder, time_, *rates, longest_wait_s=60.0, service="example"):
    return RateBudget(folder, service, rates, longest_wait_s, time_, time_.sleep)


def test_a_full_budget_waits_until_the_oldest_request_is_out_of_the_window(tmp_path, time_):
    one = budget(tmp_path, time_, Rate(2, 10.0))
    one.acquire()
    time_.now += 4.0
    one.acquire()
    one.acquire()
    assert sum(time_.slept) == pytest.approx(6.0, abs=0.01)
    one.close()


def test_all_rates_hold_at_once(tmp_path, time_):
    one = budget(tmp_path, time_, Rate(2, 1.0), Rate(3, 100.0), longest_wait_s=200.0)
    at = []
    for _ in range(7):
        one.acquire()
        at.append(time_.now)
    for rate in (Rate(2, 1.0), Rate(3, 100.0)):
        assert all(later - earlier >= rate.seconds for earlier, later in zip(at, at[rate.requests :], strict=False))
    assert at[-1] - at[0] == pytest.approx(200.0, abs=0.1)
    one.close()


def test_of_two_rates_of_one_length_the_lower_holds(tmp_path, time_):
    one = budget(tmp_path, time_, Rate(9, 10.0), Rate(1, 10.0))
    one.acquire()
    one.acquire()
    assert sum(time_.slept) == pytest.approx(10.0, abs=0.01)
    one.close()


def test_a_wait_that_is_too_long_is_not_begun_and_says_what_remains(tmp_path, time_):
    one = budget(tmp_path, time_, Rate(1, 3600.0), longest_wait_s=5.0)
    one.acquire()
    time_.now += 600.0
    with pytest.raises(RateLimited, match="the budget of 1 requests in 3600 s used up") as raised:
        one.acquire()
    assert raised.value.retry_after == pytest.approx(3000.0, abs=0.01)
    assert time_.slept == []
    one.close()


def test_a_refused_request_spends_nothing(tmp_path, time_):
    one = budget(tmp_path, time_, Rate(1, 100.0), longest_wait_s=0.0)
    one.acquire()
    for _ in range(3):
        with pytest.raises(RateLimited):
            one.acquire()
    time_.now += 100.1
    one.acquire()
    one.close()


def test_a_later_process_finds_what_an_earlier_one_spent(tmp_path, time_):
    for _ in range(2):
        one = budget(tmp_path, time_, Rate(2, 60.0))
        one.acquire()
        one.close()
    with pytest.raises(RateLimited):
        budget(tmp_path, time_, Rate(2, 60.0), longest_wait_s=1.0).acquire()


@pytest.mark.parametrize("back_s", [3.0, 86_400.0])
def test_a_clock_that_was_set_back_costs_one_window_and_breaks_no_rate(tmp_path, time_, back_s):
    time_.now = 1_000_000.0
    one = budget(tmp_path, time_, Rate(2, 60.0), longest_wait_s=61.0)
    one.acquire()
    one.acquire()
    time_.now -= back_s
    one.acquire()
    assert sum(time_.slept) == pytest.approx(60.0, abs=0.01)
    one.acquire()
    with pytest.raises(RateLimited) as raised:
        budget(tmp_path, time_, Rate(2, 60.0), longest_wait_s=1.0).acquire()
    assert raised.value.retry_after == pytest.approx(60.0, abs=0.01)
    one.close()


def test_services_do_not_share_a_budget_and_an_exchange_has_a_file_of_its_own(tmp_path, time_):
    for service in ("ccxt:okx", "kraken"):
        one = budget(tmp_path, time_, Rate(1, 60.0), longest_wait_s=0.0, service=service)
        one.acquire()
        one.close()
    assert sorted(path.name for path in tmp_path.glob("*.sqlite")) == ["ccxt-okx.sqlite", "kraken.sqlite"]


def test_a_service_without_rates_needs_no_file(tmp_path, time_):
    one = budget(tmp_path / "none", time_)
    for _ in range(3):
        one.acquire()
    assert not (tmp_path / "none").exists()


def test_a_damaged_file_is_named(tmp_path, time_):
    (tmp_path / "example.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(Transient, match=r"example\.sqlite.*remove the file"):
        budget(tmp_path, time_, Rate(1, 1.0)).acquire()


@pytest.mark.heavy
def test_two_processes_share_five_a_second_exactly(tmp_path, start, go):
    processes = [start("spend", tmp_path, 6) for _ in range(2)]
    go(*processes)
    at = sorted(float(line) for process in processes for line in process.communicate(timeout=30)[0].split())
    assert len(at) == 12
    # Times are taken after the budget allowed the request, some milliseconds late.
    assert all(later - earlier > 0.98 for earlier, later in zip(at, at[5:], strict=False))
    assert at[-1] - at[0] < 3.0
