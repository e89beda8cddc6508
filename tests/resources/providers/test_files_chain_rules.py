"""What a chain says of itself against the claims of its file: quote instant and units, judged by rule."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

from gnosis.sessions import sessions_between
from resources.providers.errors import FolderConfigError
from resources.providers.files import FilesProvider
from resources.providers.files.chain_rules import LATE_VARIANCE, LOW_VOLUME, NO_BAR, OUTSIDE_BAR, variance_left

DAYS = sessions_between(dt.date(2013, 1, 2), dt.date(2013, 1, 8))
CLOSE = {day: 1450.0 + position for position, day in enumerate(DAYS)}
STRIKES = [1400.0 + 5 * step for step in range(21)]


def strip(day: dt.date, expiry: dt.date, variance: float) -> pl.DataFrame:
    """Return calls and puts of one expiry whose out-of-the-money prices integrate to about half of ``variance``."""
    width = (variance / 10) ** 0.5
    near = [max(0.0, 1 - abs(strike - 1450) / (10 * width)) * width / 2 for strike in STRIKES]
    rights = [
        pl.DataFrame({"strike": STRIKES, "right": right, "bid": near, "ask": [price + 0.05 for price in near]})
        for right in "CP"
    ]
    return pl.concat(rights).with_columns(
        session=pl.lit(day), expiry=pl.lit(expiry), root=pl.lit("AAA"), volume=10.0 + day.day, oi=100.0, spot=1450.2
    )


def chain(day: dt.date, *, today: float = 50.0, tomorrow: float = 500.0, **columns: float) -> pl.DataFrame:
    following = DAYS[DAYS.index(day) + 1]
    return pl.concat([strip(day, day, today), strip(day, following, tomorrow)]).with_columns(
        **{name: pl.lit(value) for name, value in columns.items()}
    )


def provider_of(folder, *chains: pl.DataFrame, bars=DAYS, time: dict | None = None, rules: dict | None = None):
    pl.concat(chains).write_parquet(folder / "chains.parquet")
    bar = {"symbol": "AAA", "open": 1450.0, "high": 1460.0, "low": 1440.0}
    pl.DataFrame([bar | {"session": day, "close": CLOSE[day]} for day in bars]).write_parquet(folder / "bars.parquet")
    names = ["session", "root", "expiry", "right", "strike", "bid", "ask", "volume", "spot"]
    prices = ["session", "symbol", "open", "high", "low", "close"]
    quotes = {
        "path": "chains.parquet",
        "format": "parquet",
        "columns": {name: name for name in names} | {"symbol": "root", "open_interest": "oi"},
        "constants": {"settlement": "pm", "multiplier": 100.0, "style": "E"},
        "quote_time": {"time": "15:45"} | (time or {}),
        "known_at": {"rule": "after_quote", "delay_minutes": 5},
    }
    source = {
        "path": "bars.parquet",
        "format": "parquet",
        "columns": {name: name for name in prices},
        "constants": {"adjustment_factor": 1.0},
    }
    tables = {"raw.option_quotes": [quotes | ({"chain_rules": rules} if rules else {})], "raw.equity_bars": [source]}
    described = {"first_session": DAYS[0], "last_session": DAYS[-1], "tables": tables}
    (folder / "gnosis.yaml").write_text(yaml.safe_dump(described))
    return FilesProvider(folder)


def rules_of(provider: FilesProvider, days=DAYS) -> dict[dt.date, str]:
    rejected = provider.fetch("raw.option_quotes", days).rejected
    return dict(rejected.select("session", "rule").unique().iter_rows())


def instants(provider: FilesProvider, day: dt.date) -> tuple[str, str]:
    frame = provider.fetch("raw.option_quotes", [day]).frame
    ((ts, known_at),) = frame.select("ts", "known_at").unique().rows()
    return f"{ts:%H:%M}", f"{known_at:%H:%M}"


@pytest.mark.parametrize(
    ("spot", "quoted", "known"),
    [
        (1451.0, "21:00", "21:05"),
        (1451.004, "21:00", "21:05"),
        (1450.99, "20:45", "21:00"),
        (1451.01, "20:45", "21:00"),
    ],
)
def test_a_spot_equal_to_the_close_means_quotes_of_the_close(tmp_path, spot, quoted, known):
    """Without the bar nobody could tell, so the rows are not known before it either."""
    provider = provider_of(tmp_path, chain(DAYS[1], spot=spot), time={"close_if_spot_is_close": True})
    assert instants(provider, DAYS[1]) == (quoted, known)


def test_without_the_rule_nothing_is_concluded_from_the_spot(tmp_path):
    assert instants(provider_of(tmp_path, chain(DAYS[1], spot=1451.0)), DAYS[1]) == ("20:45", "20:50")


@pytest.mark.parametrize(
    ("columns", "rules", "label"),
    [
        ({"spot": 1460.0}, {"spot_within_bar": 0.0}, None),
        ({"spot": 1460.1}, {"spot_within_bar": 0.0}, OUTSIDE_BAR),
        ({"spot": 1460.1}, {"spot_within_bar": 0.001}, None),
        ({"spot": 1450.0 / 7}, {"spot_within_bar": 0.001}, OUTSIDE_BAR),
        ({"volume": 1.0}, {"volume_of_open_interest_min": 0.01}, None),
        ({"volume": 0.9}, {"volume_of_open_interest_min": 0.01}, LOW_VOLUME),
        ({"volume": 0.9}, {"spot_within_bar": 0.001}, None),
        ({"today": 50.0}, {"variance_left_max": 0.3}, None),
        ({"today": 250.0}, {"variance_left_max": 0.3}, LATE_VARIANCE),
        ({"today": 250.0}, {"volume_of_open_interest_min": 0.01}, None),
        (
            {"spot": 99.0, "volume": 0.0},
            {"spot_within_bar": 0.001, "volume_of_open_interest_min": 0.01},
            OUTSIDE_BAR,
        ),
    ],
)
def test_a_chain_that_breaks_a_rule_is_set_aside_whole(tmp_path, columns, rules, label):
    provider = provider_of(tmp_path, chain(DAYS[0]), chain(DAYS[1], **columns), rules=rules)
    fetched = provider.fetch("raw.option_quotes", DAYS)
    assert rules_of(provider) == ({DAYS[1]: label} if label else {})
    assert fetched.frame.height + fetched.rejected.height == 2 * 4 * len(STRIKES)
    assert fetched.frame["session"].unique().sort().to_list() == ([DAYS[0]] if label else DAYS[:2])


@pytest.mark.parametrize("asks", [{"time": {"close_if_spot_is_close": True}}, {"rules": {"spot_within_bar": 0.1}}])
def test_a_chain_without_its_bar_cannot_be_judged(tmp_path, asks):
    provider = provider_of(tmp_path, chain(DAYS[0]), chain(DAYS[1]), bars=[DAYS[0]], **asks)
    assert rules_of(provider) == {DAYS[1]: NO_BAR}


def test_a_night_judges_as_a_range_does_and_names_the_bars_as_its_source(tmp_path):
    rules = {"spot_within_bar": 0.001, "volume_of_open_interest_min": 0.01, "variance_left_max": 0.3}
    chains = [chain(DAYS[0]), chain(DAYS[1], today=250.0), chain(DAYS[2], volume=0.1), chain(DAYS[3], spot=9.0)]
    provider = provider_of(tmp_path, *chains, time={"close_if_spot_is_close": True}, rules=rules)
    together = provider.fetch("raw.option_quotes", DAYS)
    nights = [provider.fetch("raw.option_quotes", [day]) for day in DAYS]
    assert_frame_equal(pl.concat(night.frame for night in nights), together.frame)
    assert_frame_equal(pl.concat(night.rejected for night in nights), together.rejected)
    assert together.rejected["rule"].unique().sort().to_list() == sorted([LATE_VARIANCE, LOW_VOLUME, OUTSIDE_BAR])
    assert {source.name for source in together.sources} == {"gnosis.yaml", "bars.parquet", "chains.parquet"}


def test_only_the_chains_of_the_chosen_symbols_are_served_and_every_chain_has_its_bar(tmp_path):
    provider = provider_of(tmp_path, chain(DAYS[0]), rules={"spot_within_bar": 0.001})
    chosen = FilesProvider(tmp_path, symbols=["AAA"]).fetch("raw.option_quotes", DAYS)
    assert_frame_equal(chosen.frame, provider.fetch("raw.option_quotes", DAYS).frame)
    nobody = FilesProvider(tmp_path, symbols=[]).fetch("raw.option_quotes", DAYS)
    assert (nobody.frame.height, nobody.rejected.height) == (0, 0)


def test_rules_that_need_bars_ask_for_them(tmp_path):
    provider_of(tmp_path, chain(DAYS[0]), rules={"spot_within_bar": 0.001})
    described = yaml.safe_load((tmp_path / "gnosis.yaml").read_text())
    del described["tables"]["raw.equity_bars"]
    (tmp_path / "gnosis.yaml").write_text(yaml.safe_dump(described))
    with pytest.raises(FolderConfigError, match=r"expected raw\.equity_bars, whose bars the rules of the chain need"):
        FilesProvider(tmp_path)


def left_of(quotes: pl.DataFrame) -> list[float]:
    return variance_left(quotes.with_columns(symbol=pl.lit("AAA"), settlement=pl.lit("pm")))["variance_left"].to_list()


def test_the_expected_variance_is_that_of_the_prices():
    """A straddle of a triangle of prices: the strip is its area, whatever the order of the rows."""
    quotes = chain(DAYS[0], today=50.0, tomorrow=500.0).with_columns(ask=pl.col("bid"))
    (found,) = left_of(quotes)
    assert found == pytest.approx(50 / 450, rel=0.1)
    assert left_of(quotes.sample(fraction=1.0, shuffle=True, seed=1)) == [found]


def test_chains_that_cannot_be_judged_are_left_out():
    quotes = chain(DAYS[0])
    assert left_of(quotes.filter(pl.col("expiry") > DAYS[0])) == []
    assert left_of(quotes.filter(pl.col("expiry") == DAYS[0])) == []
    assert left_of(quotes.with_columns(bid=pl.when(pl.col("expiry") == DAYS[0]).then(0.0).otherwise("bid"))) == []
    assert left_of(chain(DAYS[0], today=500.0, tomorrow=500.0)) == []
    mornings = quotes.with_columns(symbol=pl.lit("AAA"), settlement=pl.lit("am"))
    assert variance_left(mornings).is_empty()


def test_the_next_expiry_counts_by_its_sessions():
    friday, tuesday = dt.date(2013, 1, 4), dt.date(2013, 1, 8)
    quotes = pl.concat([strip(friday, friday, 50.0), strip(friday, tuesday, 500.0)]).with_columns(ask=pl.col("bid"))
    (over_two,) = left_of(quotes)
    (over_one,) = left_of(quotes.with_columns(expiry=pl.col("expiry").replace({tuesday: dt.date(2013, 1, 7)})))
    assert over_two == pytest.approx(2 * over_one)
