"""Several snapshots of one session, and the same snapshot twice."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
import yaml

from gnosis.sessions import sessions_between
from gnosis.tables import TABLES
from resources.providers.files import FilesProvider
from resources.providers.files.snapshots import label_snapshots

DAYS = sessions_between(dt.date(2012, 12, 31), dt.date(2013, 1, 4))
EXPIRY = dt.date(2013, 1, 19)


def chain(day: dt.date, *, bid: float = 1.0, root: str = "SPXW", hour: int = 20, spot: float = 1450.0) -> pl.DataFrame:
    at = dt.datetime(day.year, day.month, day.day, hour, 45, tzinfo=dt.UTC)
    return pl.DataFrame(
        {
            "session": day,
            "symbol": "SPX",
            "root": root,
            "expiry": EXPIRY,
            "right": ["C", "P", "C", "P"],
            "strike": [1450.0, 1450.0, 1500.0, 1500.0],
            "bid": [bid, 2.0, 3.0, 0.0],
            "ask": [4.0, 5.0, 6.0, 0.05],
            "volume": [0.0, 0.0, 7.0, 0.0],
            "spot": spot,
            "ts": at,
            "known_at": at,
        }
    )


def rules(*chains: pl.DataFrame) -> list[str | None]:
    """Return the rule of each chain; all its rows must agree."""
    labels = label_snapshots(pl.concat(chains))
    found = [labels.slice(start * 4, 4).unique().to_list() for start in range(len(chains))]
    assert all(len(rule) == 1 for rule in found)
    return [rule[0] for rule in found]


def test_different_chains_pass():
    assert rules(chain(DAYS[0]), chain(DAYS[1], bid=1.1), chain(DAYS[2])) == [None, None, None]


def test_the_same_chain_again_is_rejected_each_time():
    repeated = "repeats_previous_session"
    assert rules(chain(DAYS[0]), chain(DAYS[1]), chain(DAYS[2])) == [None, repeated, repeated]


def test_a_gap_between_equal_chains_is_not_judged():
    assert rules(chain(DAYS[0]), chain(DAYS[2])) == [None, None]


def test_another_spot_is_another_chain():
    assert rules(chain(DAYS[0]), chain(DAYS[1], spot=1450.01)) == [None, None]


def test_chains_without_trades_are_not_judged():
    quiet = [chain(day).with_columns(volume=0.0) for day in DAYS[:2]]
    assert rules(*quiet) == [None, None]


def busy(day: dt.date, *, changed: int = 0, spot: float = 1450.0, traded: int = 40) -> pl.DataFrame:
    """Return a chain of 40 contracts with other quotes every day, and ``changed`` volumes."""
    volume = [float(100 + strike + (1000 * day.day if strike < changed else 0)) for strike in range(traded)]
    return (
        chain(day)
        .head(1)
        .drop("strike", "volume", "bid")
        .join(
            pl.DataFrame(
                {"strike": [1000.0 + strike for strike in range(40)], "volume": volume + [0.0] * (40 - traded)}
            ).with_columns(bid=pl.lit(float(day.day))),
            how="cross",
        )
        .with_columns(spot=spot)
    )


@pytest.mark.parametrize(
    ("again", "is_repeat"),
    [
        (busy(DAYS[1], changed=20), True),
        (busy(DAYS[1], changed=21), False),
        (busy(DAYS[1], spot=1450.01), False),
    ],
)
def test_the_volumes_of_the_session_before_with_other_quotes_are_a_repeat(again, is_repeat):
    labels = label_snapshots(pl.concat([busy(DAYS[0]), again]))
    assert labels.to_list() == [None] * 40 + ["repeats_previous_session" if is_repeat else None] * 40


def test_few_traded_contracts_with_the_same_volumes_are_no_repeat():
    labels = label_snapshots(pl.concat([busy(DAYS[0], traded=19), busy(DAYS[1], traded=19)]))
    assert labels.null_count() == len(labels)


def test_roots_are_judged_apart():
    found = rules(chain(DAYS[0]), chain(DAYS[1]), chain(DAYS[0], root="SPX"), chain(DAYS[1], root="SPX", bid=0.5))
    assert found == [None, "repeats_previous_session", None, None]


def test_the_latest_snapshot_of_a_session_counts():
    assert rules(chain(DAYS[0], hour=15), chain(DAYS[0], hour=20), chain(DAYS[0], hour=19)) == [
        "superseded_snapshot",
        None,
        "superseded_snapshot",
    ]


def test_of_equal_snapshots_the_one_known_first_counts():
    weekend = chain(DAYS[0]).with_columns(pl.col("known_at").dt.offset_by("2d"))
    assert rules(weekend, chain(DAYS[0])) == ["superseded_snapshot", None]


@pytest.fixture
def provider(tmp_path) -> FilesProvider:
    holiday = chain(dt.date(2013, 1, 1), bid=9.0)
    expired = chain(DAYS[1], bid=1.5).with_columns(expiry=dt.date(2012, 12, 31))
    frames = [chain(DAYS[0]), holiday, chain(DAYS[1], bid=1.5), expired, chain(DAYS[2], bid=1.5)]
    pl.concat(frames).drop("ts", "known_at").write_parquet(tmp_path / "chain.parquet")
    names = ["session", "symbol", "root", "expiry", "right", "strike", "bid", "ask", "volume", "spot"]
    source = {
        "path": "chain.parquet",
        "format": "parquet",
        "columns": {name: name for name in names} | {"settlement": "root", "open_interest": "volume"},
        "values": {"settlement": {"SPX": "am", "SPXW": "pm"}},
        "constants": {"multiplier": 100.0, "style": "E"},
        "quote_time": {"time": "15:45", "exceptions": {DAYS[2]: "16:10"}},
        "known_at": {"rule": "after_quote", "delay_minutes": 15},
    }
    (tmp_path / "gnosis.yaml").write_text(yaml.safe_dump({"tables": {"raw.option_quotes": [source]}}))
    return FilesProvider(tmp_path)


def test_holidays_and_repeats_are_rejected_and_expired_rows_reach_the_rules(provider):
    fetched = provider.fetch("raw.option_quotes", DAYS[:3])
    found = fetched.rejected.group_by("session", "rule", maintain_order=True).len().sort("session").rows()
    assert found == [(DAYS[1], "not_a_session", 4), (DAYS[2], "repeats_previous_session", 4)]
    _, failures = TABLES["raw.option_quotes"].schema.filter(fetched.frame)
    assert failures.counts() == {"not_expired": 4}


def test_one_night_finds_the_repeat_as_a_range_does(provider):
    assert provider.fetch("raw.option_quotes", DAYS[2:3]).rejected["rule"].to_list() == ["repeats_previous_session"] * 4


def test_quote_instants_and_receipt(provider):
    frame = provider.fetch("raw.option_quotes", DAYS[1:2]).frame
    facts = frame.select("ts", "known_at", "oi_session", "settlement").unique().rows()
    quoted = dt.datetime(2013, 1, 2, 20, 45, tzinfo=dt.UTC)
    assert facts == [(quoted, quoted + dt.timedelta(minutes=15), DAYS[0], "pm")]


def test_a_quote_time_after_the_close_counts_as_the_close(provider):
    found = provider._all_rows("raw.option_quotes")
    assert DAYS[2] not in found["session"]
    rejected = provider.fetch("raw.option_quotes", DAYS[2:3]).rejected["found"][0]
    assert '"known_at":"2013-01-03T21:25:00+00:00"' in rejected
    assert '"ts":"2013-01-03T21:00:00+00:00"' in rejected
