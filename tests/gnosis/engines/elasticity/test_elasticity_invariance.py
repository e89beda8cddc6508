"""Order, company and later rows change nothing, and neither does the number of sessions that are made at once."""

import datetime as dt

import numpy as np
import polars as pl

from gnosis.sessions import shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
ALL = ("naive", "customer_long", "inverted")


def test_rows_in_any_order_and_delivered_twice_give_the_same_bytes(whole, world, quotes_of, vix_of):
    greeks, bars = world
    vix = vix_of(np.linspace(15, 20, 280))
    frames = {"greeks": greeks, "bars": bars, "quotes": quotes_of(greeks), "index_levels": vix}
    plain = whole(**frames)
    mixed = {name: frame.sample(fraction=1.0, shuffle=True, seed=1) for name, frame in frames.items()}
    assert whole(**mixed, conventions=ALL[::-1]).equals(plain)
    assert whole(**{name: pl.concat([frame, frame]) for name, frame in mixed.items()}).equals(plain)


def test_symbol_or_session_alone_gives_the_bits_it_has_together(whole, world):
    greeks, bars = world
    together = whole()
    for symbol in ("AAA", "BBB"):
        here = pl.col("symbol") == symbol
        assert whole(greeks=greeks.filter(here), bars=bars.filter(here)).equals(together.filter(here))
    last = pl.col("session") == SESSION
    before = together.filter(pl.col("session") < SESSION)
    # With the sessions before stored, one night makes the row that the whole range makes.
    assert whole(greeks=greeks.filter(last), stored=before).equals(together.filter(last))


def test_names_of_symbols_do_not_matter(whole, world, quotes_of):
    greeks, bars = world
    greeks, bars = (frame.filter(pl.col("symbol") == "AAA") for frame in (greeks, bars))
    plain = whole(greeks=greeks, bars=bars)
    other = [frame.with_columns(symbol=pl.lit("ZZ")) for frame in (greeks, bars)]
    other[0] = other[0].with_columns(root=pl.lit("ZZ"))
    found = whole(greeks=other[0], bars=other[1], quotes=quotes_of(other[0]))
    assert found.drop("symbol").equals(plain.drop("symbol"))


def test_the_future_changes_nothing(whole, world, quotes_of, vix_of):
    greeks, bars = world
    vix = vix_of(np.linspace(15, 20, 280))
    cut = shift_session(SESSION, -1)
    past = pl.col("session") <= cut
    full = whole(index_levels=vix).filter(past)
    assert full.select(pl.col("jump_score", "vix").is_not_null().all()).row(0) == (True, True)
    known = {"greeks": greeks.filter(past), "bars": bars.filter(past), "index_levels": vix.filter(past)}
    assert whole(**known).equals(full)
    poison = pl.when(pl.col("session") > cut)
    wild = bars.with_columns(
        close=poison.then(pl.col("close") * 1000).otherwise("close"), volume=poison.then(None).otherwise("volume")
    )
    strange = greeks.with_columns(open_interest=poison.then(pl.col("open_interest") * 1000).otherwise("open_interest"))
    panic = vix.with_columns(close=poison.then(pl.col("close") * 1000).otherwise("close"))
    found = whole(greeks=strange, bars=wild, quotes=quotes_of(strange), index_levels=panic)
    assert found.filter(past).equals(full)
    stored = (
        whole(index_levels=vix)
        .with_columns(session=pl.lit(shift_session(SESSION, 1)))
        .unique(["symbol", "session", "sign_convention"], keep="first", maintain_order=True)
    )
    assert whole(index_levels=vix, stored=stored).equals(whole(index_levels=vix))


def test_restated_inputs_count_from_the_moment_at_which_they_are_known(whole, world, quotes_of, vix_of):
    """A later version of a bar, a quote or an index level is seen by rows whose cut-off is not before it."""
    greeks, bars = world
    quotes, vix = quotes_of(greeks), vix_of(np.linspace(15, 20, 280))
    plain = whole(quotes=quotes, index_levels=vix)
    second = shift_session(SESSION, -1)
    late = dt.datetime.combine(second, dt.time(23), dt.UTC)
    day = pl.col("session") == shift_session(SESSION, -2)
    restated = bars.filter(day).with_columns(pl.col("volume") * 3, known_at=late)
    again = vix.filter(day).with_columns(pl.col("close") * 2, known_at=late)
    wide = quotes.filter(pl.col("session") == SESSION).with_columns(
        pl.col("ask") * 1.5, known_at=dt.datetime(2019, 6, 1, tzinfo=dt.UTC)
    )
    found = whole(
        bars=pl.concat([bars, restated]), quotes=pl.concat([quotes, wide]), index_levels=pl.concat([vix, again])
    )
    earlier = pl.col("session") <= second
    assert found.filter(earlier).equals(plain.filter(earlier))
    assert (found["adv_usd"] != plain["adv_usd"]).to_list() == (
        ~plain["session"].is_between(dt.date(2000, 1, 1), second)
    ).to_list()
    assert found["hedge_confidence"].equals(plain["hedge_confidence"])


def test_nights_one_by_one_give_the_bits_of_the_whole_range(whole, world, stored_past, quotes_of):
    greeks, _ = world
    together = whole(stored=stored_past)
    read = ["hedge_gamma_regime", "hedge_primary_regime", "hedge_regime_stability", "easier_direction", "jump_score"]
    read += ["spot_vol_beta_volpts_per_pct", "hedge_vanna_regime", "hedge_charm_regime", "skew_regime"]
    assert together.select(pl.col(read).is_not_null().any()).row(0) == (True,) * len(read)
    stored, nights = stored_past, []
    for session in greeks["session"].unique().sort():
        chain = greeks.filter(pl.col("session") == session)
        nights.append(whole(greeks=chain, quotes=quotes_of(chain), stored=stored))
        stored = pl.concat([stored, nights[-1]])
    key = TABLES["engines.elasticity"].key
    assert pl.concat(nights).sort(key).equals(together)
