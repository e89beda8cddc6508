"""A provider that delivers something wrong: rows go to quarantine, or the night stops and yesterday's catalog stays."""

from __future__ import annotations

import datetime as dt
import hashlib

import polars as pl
import pytest

from gnosis.tables import TABLES
from resources.lake import Lake
from resources.providers import Fetched
from resources.providers.sample import SampleProvider

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("homes")]

NIGHT = dt.date(2008, 2, 1)
BARS, QUOTES = "raw.equity_bars", "raw.option_quotes"
IS_APPLE = pl.col("symbol") == "AAPL"


def every_hundredth(starting_at):
    return pl.int_range(pl.len()) % 100 == starting_at


def spoilt_quotes(frame):
    """Spoil a few rows in each of four ways."""
    never = dt.datetime(2090, 1, 1, tzinfo=dt.UTC)
    negative = pl.when(every_hundredth(0)).then(-1.0).otherwise("bid")
    future = pl.when(every_hundredth(20)).then(never).otherwise("known_at").cast(frame.schema["known_at"])
    spoilt = frame.with_columns(bid=negative, known_at=future)
    other_version = frame.filter(every_hundredth(40)).with_columns(ask=pl.col("ask") + 1)
    return pl.concat([spoilt, other_version, frame.filter(every_hundredth(60))])


def broken_bars(frame):
    return frame.with_columns(close=pl.when(IS_APPLE).then(-1.0).otherwise("close"))


def no_rows(frame):
    return frame.clear()


def another_type(frame):
    return frame.with_columns(pl.col("close").cast(pl.Float32))


@pytest.fixture
def home(night_home, copy_of):
    """Return a home of January whose catalog shows its own files."""
    home = copy_of(night_home)
    Lake(home).publish_catalog()
    return home


@pytest.fixture
def deliver(monkeypatch):
    """Return a function after which the provider delivers one table spoilt; it returns the list of what was sent."""
    fetch = SampleProvider.fetch

    def spoil(table, change):
        sent = []

        def spoilt(self, name, sessions):
            fetched = fetch(self, name, sessions)
            if name != table:
                return fetched
            sent.append(change(fetched.frame))
            return Fetched(sent[-1], fetched.rejected, fetched.sources)

        monkeypatch.setattr(SampleProvider, "fetch", spoilt)
        return sent

    yield spoil
    monkeypatch.setattr(SampleProvider, "fetch", fetch)


def catalog_hash(home):
    return hashlib.sha256((home / "gnosis.duckdb").read_bytes()).hexdigest()


def quarantined(home, table):
    name = f"quarantine.{table.replace('.', '_')}"
    return Lake(home).read(name).filter(pl.col("session") == NIGHT)


def test_a_few_wrong_quotes_are_quarantined_and_the_night_goes_on(home, command_line, deliver):
    sent = deliver(QUOTES, spoilt_quotes)
    said = command_line(home, "run", "--next", "1")
    assert said.status == 0, said.err
    (delivered,) = sent
    n_copies = delivered.height - delivered.n_unique()
    n_versions = delivered.height - n_copies - delivered.n_unique(TABLES[QUOTES].key)
    by_rule = dict(quarantined(home, QUOTES).group_by("rule").len().rows())
    assert sum(rows for rule, rows in by_rule.items() if "bid" in rule) == (delivered["bid"] < 0).sum() > 0
    assert by_rule["known_in_the_future"] == (delivered["known_at"].dt.year() == 2090).sum() > 0
    assert by_rule["delivered_twice"] == n_copies > 0
    assert by_rule["primary_key"] == 2 * n_versions > 0
    stored = Lake(home).read(QUOTES, first=NIGHT, last=NIGHT)
    assert stored.height + sum(by_rule.values()) == sent[0].height
    assert "quarantine.raw_option_quotes" in said.out
    with Lake(home).connect() as connection:
        shown = connection.execute("select count(*) from quarantine.raw_option_quotes").fetchone()[0]
    assert shown == sum(by_rule.values())


@pytest.mark.parametrize(
    ("change", "check"),
    [(broken_bars, "few_quarantined"), (no_rows, "no_session_missing"), (another_type, "close")],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_wrong_bars_stop_everything_downstream_and_yesterdays_catalog_stays(home, command_line, deliver, change, check):
    before, catalog = Lake(home).summary(), catalog_hash(home)
    sent = deliver(BARS, change)
    said = command_line(home, "run", "--next", "1")
    assert said.status == 1
    assert check in said.err
    assert "the SQL catalog still shows it" in said.err
    assert catalog_hash(home) == catalog
    downstream = ["features.technical", "models.labels", "engines.elasticity", "trades.ideas", "backtests.equity"]
    versions = dict(Lake(home).summary().select("table", "version").rows())
    assert {name: versions[name] for name in downstream} == {
        name: version for name, version in before.select("table", "version").rows() if name in downstream
    }
    if change is broken_bars:
        assert Lake(home).read(BARS, first=NIGHT, last=NIGHT).height + quarantined(home, BARS).height == sent[0].height
        comes_right_when_the_provider_does(home, command_line, deliver, catalog)


def comes_right_when_the_provider_does(home, command_line, deliver, catalog):
    deliver(BARS, lambda frame: frame)
    mended = command_line(home, "run", "--next", "1")
    assert mended.status == 0, mended.err
    assert Lake(home).sessions("trades.ideas")[-1] == NIGHT
    assert Lake(home).read(BARS, first=NIGHT, last=NIGHT).height == 4
    assert catalog_hash(home) != catalog
    assert "quarantine.raw_equity_bars" not in mended.out


def test_a_night_that_failed_in_its_last_room_is_made_again(home, command_line, monkeypatch):
    """All tables of the session are stored by then, but nothing was published."""
    from assets import backtests

    catalog = catalog_hash(home)
    with monkeypatch.context() as broken:
        broken.setattr(backtests, "_studied", lambda *arguments: 1 / 0)
        said = command_line(home, "run", "--next", "1")
    assert said.status == 1
    assert "backtests__backtest: " in said.err
    assert Lake(home).sessions("trades.ideas")[-1] == NIGHT
    assert catalog_hash(home) == catalog

    mended = command_line(home, "run", "--next", "1")
    assert mended.status == 0, mended.err
    assert f"1 sessions to make, {NIGHT}" in mended.out
    with Lake(home).connect() as connection:
        assert connection.execute("select max(session) from trades.ideas").fetchone()[0] == NIGHT
