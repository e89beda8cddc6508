"""The live provider: each service as its options make it, with what the processes of a home share."""

from __future__ import annotations

import datetime as dt

import pytest

from resources.providers.live.configuration import LiveConfiguration
from resources.providers.live.provider import FIRST_ASKED, LiveProvider
from resources.providers.services.alpaca import SIP_AGE
from tests.resources.providers.live.scripted import BARS, NOW, Clock


@pytest.fixture
def opened(tmp_path):
    made = []

    def make(first=None, **services):
        configuration = LiveConfiguration.model_validate({"services": services})
        made.append(LiveProvider(configuration, tmp_path, {"MASSIVE_API_KEY": "a-key"}, first, Clock()))
        return {service.profile.name: service for service in made[-1].services}

    make.all = made
    yield make
    for one in made:
        one.close()


def test_a_service_that_is_named_first_is_as_its_options_make_it(opened):
    deep, late = {"options": {"reaches_back_sessions": 2500}}, {"options": {"feed": "sip"}}
    for name in ("massive", "alpaca"):
        named = opened(name, massive=deep, alpaca=late)
        assert named["massive"].profile.capabilities[BARS].reaches_back_sessions == 2500
        assert named["alpaca"].profile.capabilities[BARS].delay_s == SIP_AGE.total_seconds()
        assert named[name].profile.capabilities[BARS].preference == FIRST_ASKED
        assert named["massive"].access.keys == {"MASSIVE_API_KEY": "a-key"}


def test_budgets_and_allowances_are_shared_by_a_home_and_closed_with_the_provider(opened, tmp_path):
    first, second = opened()["cboe"].access, opened()["cboe"].access
    first.gate()
    budget = first.gate.__self__
    taken = {"limit": 1, "within": dt.timedelta(hours=1), "now": NOW}
    assert first.allowance.take("a file", 1, **taken).amount == 1
    assert second.allowance.take("a file", 1, **taken).amount == 0
    assert budget._bucket is not None
    opened.all[0].close()
    assert budget._bucket is None
    assert first.allowance._connection is None
