"""One contract for every service in every mode: our errors and no others, whole rows or none, and no key told."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest

from gnosis.tables import TABLES
from resources.providers.live.allowance import Allowance
from resources.providers.live.errors import FetchError, RateLimited
from resources.providers.live.service import EVENTS
from resources.providers.services import make_service
from tests.loopback import cases, vendors
from tests.loopback.cases import EXPECTED, ONCE, SECRET, Case
from tests.loopback.server import RETRY_AFTER_S, SLOW_S
from tests.resources.providers.services.conftest import IMPATIENT_S

MODULES = sorted(path.stem for folder in vendors.__path__ for path in Path(folder).glob("*.py"))
CASES: list[Case] = [case for module in MODULES for case in import_module(f"tests.loopback.vendors.{module}").CASES]
FIRST = {case.service: case for case in reversed(CASES)}
every_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def in_each(modes):
    """Try each case in the modes that concern it."""
    tried = [
        (case, mode)
        for case in CASES
        for mode in modes
        if case.otherwise.get(mode, FetchError) is not None and (mode not in ONCE or case is FIRST[case.service])
    ]
    return pytest.mark.parametrize(("case", "mode"), tried, ids=[f"{case.name}-{mode}" for case, mode in tried])


@pytest.fixture
def service(case, loopback, access_to, world):
    loopback.serve(case.vendor(world))
    return make_service(access_to(case.service, keys=case.keys, options=case.options))


def rows(service, case, world):
    return service.fetch(case.ask(world)).frame


def told(sources, *texts):
    """Return whatever tells the key."""
    texts = [*texts, *(source.url_or_path + source.name for source in sources)]
    contents = [source.content or b"" for source in sources]
    return [text for text in texts if SECRET in text] + [content for content in contents if SECRET.encode() in content]


class TestEveryService:
    @every_case
    def test_good_answer_is_rows_of_the_table(self, case, service, world):
        ask = case.ask(world)
        frame = rows(service, case, world)
        table = TABLES[ask.table]
        assert frame.schema == table.polars_schema
        assert not frame.is_empty()
        assert frame.sort(table.key).equals(frame)
        assert set(frame["session"]) <= set(ask.sessions)
        assert set(frame["provider"]) == {case.service}
        assert not frame["synthetic"].any()
        judged = frame.with_columns(adjustment_factor=1.0) if "adjustment_factor" in frame.columns else frame
        _, failures = table.schema.filter(judged)
        assert failures.counts() == {}

    @every_case
    def test_its_rows_were_known_by_the_time_of_the_answer(self, case, service, world):
        frame = rows(service, case, world)
        assert frame.filter(pl.col("known_at") > world.now).is_empty()

    @every_case
    def test_bytes_are_kept_without_the_key(self, case, service, world, caplog, capfd):
        caplog.set_level(logging.DEBUG)
        rows(service, case, world)
        taken = service.access.recorder.taken()
        assert taken
        assert all(source.fetched_at == world.now for source in taken)
        assert all((source.content is not None) == service.profile.keeps_bodies for source in taken)
        assert not told(taken, caplog.text, *capfd.readouterr())

    @in_each(["paging", "redirect"])
    def test_rows_do_not_depend_on_how_they_come(self, case, service, world, loopback, mode):
        whole = rows(service, case, world)
        loopback.set_mode(case.service, mode)
        # Another home: what a service may be asked for only now and then was just asked.
        again = make_service(replace(service.access, allowance=Allowance()))
        assert rows(again, case, world).equals(whole)

    @in_each(EXPECTED)
    def test_a_failure_is_one_of_ours_and_tells_no_key(self, case, service, world, loopback, mode, caplog, capfd):
        caplog.set_level(logging.DEBUG)
        loopback.set_mode(case.service, mode)
        if mode in ("slow", "drip"):
            service = make_service(replace(service.access, timeout_s=IMPATIENT_S))
        ask = case.ask(world)
        expected = case.otherwise.get(mode, EXPECTED[mode])
        if mode == "empty" and ask.table in EVENTS:
            assert service.fetch(ask).frame.is_empty()
            return
        started = time.perf_counter()
        with pytest.raises(FetchError) as raised:
            service.fetch(ask)
        assert time.perf_counter() - started < SLOW_S
        error = raised.value
        assert type(error) is expected, repr(error)
        assert error.service == case.service
        assert error.__cause__ is None
        if mode == "429_retry_after":
            assert isinstance(error, RateLimited)
            assert error.retry_after == RETRY_AFTER_S
        taken = service.access.recorder.taken()
        assert not told(taken, str(error), repr(error), caplog.text, *capfd.readouterr())

    @every_case
    def test_a_missing_key_is_named_before_anything_is_asked(self, case, access_to, world, loopback):
        loopback.serve(case.vendor(world))
        keyless = make_service(access_to(case.service, options=case.options))
        if keyless.profile.key is None:
            assert not case.keys or keyless.profile.optional_key is not None
            return
        with pytest.raises(cases.AuthError, match=keyless.profile.key.alternatives[0][0]):
            keyless.fetch(case.ask(world))
        assert loopback.requests(case.service) == []

    @every_case
    def test_a_refused_connection_is_transient(self, case, access_to, world):
        nowhere = access_to(case.service, keys=case.keys, options=case.options, base_url="http://127.0.0.1:9")
        unreachable = make_service(nowhere)
        with pytest.raises(cases.Transient):
            unreachable.fetch(case.ask(world))

    @every_case
    def test_probe_says_how_old_the_data_is(self, case, service):
        probe = service.probe()
        assert probe.detail
        assert probe.delay_s is None or probe.delay_s >= 0
