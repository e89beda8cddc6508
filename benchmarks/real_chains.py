"""What must hold on real chains, as a report: run ``make verify-real`` or ``python -m benchmarks.real_chains``.

Every figure comes from :mod:`benchmarks.real_figures`, which the tests call too. The status is 1 when a check fails,
and 2 when the data are absent, so that nothing was checked.
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from benchmarks import real_figures as figures
from benchmarks.real_data import DOWNLOADS, SHARED_DATA, SPLIT_RATIO, SPLIT_SESSION, SPX_SESSIONS, RealData
from gnosis.options.chain.analytics import chain_analytics
from gnosis.options.positioning.exposure import exposure
from gnosis.options.surface.fit import volatility_surface
from gnosis.sessions import is_session
from gnosis.tables import TABLES
from resources.providers.files.snapshots import label_snapshots

HOLIDAYS = (dt.date(2019, 5, 27), dt.date(2019, 7, 4))
FEW_TRADES, AT_MIDDAY = dt.date(2019, 4, 25), dt.date(2019, 5, 1)
SET_ASIDE = dict.fromkeys(HOLIDAYS, "not_a_session") | {
    FEW_TRADES: "quote_instant_unknown|volume",
    AT_MIDDAY: "quote_instant_unknown|variance_left",
}
AFTER_CLOSE = [dt.date(2019, *day) for day in ((4, 26), (4, 29), (5, 9), (5, 20), (5, 24), (7, 3))]
MISSING = [dt.date(2019, *day) for day in ((5, 10), (5, 17), (6, 14), (6, 17), (6, 18))]
HALF_CONVERTED = dt.date(2014, 6, 6)
CHAIN_LIMIT_S = 1.0
ALL_CHAINS_LIMIT_S = 60.0


class Check(NamedTuple):
    """One entry of the report; ``passed`` is None for a figure that is reported and has no limit."""

    name: str
    found: str
    limit: str
    passed: bool | None
    note: str = ""

    def text(self) -> str:
        verdict = {True: "ok", False: "FAIL", None: "reported"}[self.passed]
        lines = [f"{verdict:<4}  {self.name}"]
        for line in (f"{self.found}  [limit: {self.limit}]", self.note):
            lines += textwrap.wrap(line, 112, initial_indent=" " * 6, subsequent_indent=" " * 6)
        return "\n".join(lines)


def checks(real: RealData) -> Iterator[Check]:
    """Measure everything; about a minute, and half of one more when kernels have to be compiled."""
    fetched = real.spx.fetch("raw.option_quotes", SPX_SESSIONS)
    yield from _of_sessions(real, fetched.rejected)
    chains = fetched.frame
    macro = real.macro(SPX_SESSIONS[-1], first=SPX_SESSIONS[0])
    yield from _of_spx(real, chains, macro)
    yield from _of_spy(real)
    yield from _of_aapl(real)
    yield from _of_downloads(real)
    yield from _of_time(real, chains, macro)


def _of_sessions(real: RealData, rejected: pl.DataFrame) -> Iterator[Check]:
    found = figures.rejected_days(rejected)
    told = ", ".join(f"{day:%m-%d} {rule}" for day, rule in found.items())
    yield Check(
        "SPX 2019: chains set aside by rule", told, "these 4 of 58", found == SET_ASIDE, "no date is configured"
    )

    table = figures.chain_figures(real)
    few = pl.col("session") == FEW_TRADES
    low, others = table.filter(few)["volume_share"].max(), table.filter(~few)["volume_share"].min()
    told = f"{low:.4f} on {FEW_TRADES:%m-%d}, {others:.4f} and more elsewhere"
    yield Check("volume as a share of open interest", told, "0.01 lies between", low < 0.01 < others)

    midday = pl.col("session") == AT_MIDDAY
    high, others = table.filter(midday)["variance_left"].min(), table.filter(~midday)["variance_left"].max()
    n_judged = table["variance_left"].count() - 1
    yield Check(
        "share of a session's variance still expected",
        f"{high:.3f} on {AT_MIDDAY:%m-%d}, {others:.3f} and less on {n_judged} other sessions",
        "0.3 lies between",
        others < 0.3 < high,
        "quoted hours before 15:45, on the day of a rate decision: its spot is 23 points from the close",
    )

    late = table.filter(pl.col("off_close_usd") < 0.005)["session"].to_list()
    near = table.filter(pl.col("off_close_usd") >= 0.005)["off_close_usd"].sort()
    told = f"{len(late)} sessions; the next are off by {near[0]:.2f} and {near[1]:.2f} points"
    yield Check(
        "spot is the close to the cent: made after the close",
        told,
        "the known 6",
        late == AFTER_CLOSE,
        "05-21 is the one off by a cent: it stays at 15:45, and nothing else in its file tells when it was quoted",
    )

    worst = table["beyond_bar"].max()
    yield Check("spot against the bar of its session", f"at most {worst:+.6f} beyond it", "0.001", worst <= 0.001)

    for holiday in HOLIDAYS:
        chains, day = figures.relabelled(real, holiday)
        again = chains["session"] == day
        by_provider = (label_snapshots(chains).filter(again) == "repeats_previous_session").fill_null(False).mean()
        greeks = chain_analytics(chains, real.macro(day)).greeks.filter(pl.col("session") == day)
        by_analytics = greeks["reason"].is_in(["repeated", "settled"]).mean()
        yield Check(
            f"holiday download of {holiday:%m-%d}, dated to the next session",
            f"{by_provider:.1%} of rows named by the provider, {by_analytics:.1%} by the cleaning of chains",
            "100 % by the provider",
            by_provider == 1.0,
            "the cleaning sees quotes, the provider volumes as well: the file of 05-24 was made before its last quotes",
        )

    expired = real.vendor.filter(pl.col("expiry") < pl.col("session"))
    days = expired["session"].unique().to_list()
    told = f"{expired.height} rows, all of {', '.join(map(str, days))}"
    yield Check("expired contracts", told, "316, none kept", expired.height == 316 and not any(map(is_session, days)))

    absent = sorted(set(SPX_SESSIONS) - set(real.vendor["session"]))
    told = ", ".join(f"{day:%m-%d}" for day in absent)
    yield Check("sessions without a chain stay missing", told, "the known 5", absent == MISSING)


def _of_spx(real: RealData, chains: pl.DataFrame, macro: pl.DataFrame) -> Iterator[Check]:
    found = chain_analytics(chains, macro)
    n_both, n_merged = figures.merged_roots(found)
    told = f"{n_both} dates with both, {n_merged} forwards or smiles shared"
    yield Check("morning and afternoon roots", told, "none shared", n_both > 0 and n_merged == 0)

    own = figures.gamma_agreement(found.greeks, real.vendor)
    yield Check(
        "gamma against the file's own",
        f"median ratio {own.median_ratio:.4f}; {own.share_within:.2%} of {own.n_contracts:,} contracts within 8 %",
        "0.98 to 1.02; 90 %",
        0.98 <= own.median_ratio <= 1.02 and own.share_within >= 0.9,
        f"{chains['session'].n_unique()} sessions; out of the money, within 10 % of spot, more than 5 days, above 8e-4",
    )

    yield from _of_surfaces(found.greeks)

    n_sessions, rank = figures.gex_rank(exposure(found.greeks), real.dix)
    yield Check(
        "net naive gamma against DIX.csv gex",
        f"rank correlation {rank:.3f} over {n_sessions} sessions",
        "above 0.8",
        rank > 0.8,
        "the level is not compared: it is made from other moments and other contracts",
    )


def _of_surfaces(greeks: pl.DataFrame) -> Iterator[Check]:
    certificate = volatility_surface(greeks, threads=2).certificate
    fit = figures.surface_fit(certificate)
    surfaces = certificate.filter(pl.col("slice_number") == 0)
    arbitrage = ", ".join(sorted(fit.broken_rules - {"share_inside"})) or "none"
    told = f"{fit.n_slices} slices of {surfaces.height} surfaces, other rules broken: {arbitrage}"
    yield Check("surfaces are free of arbitrage", told, "no rule but share_inside", arbitrage == "none")

    n_passed = (surfaces["certificate"] == "passed").sum()
    yield Check(
        "surfaces: certificates passed",
        f"{fit.share_passed:.1%} of slices, {n_passed} of {surfaces.height} surfaces",
        "none",
        None,
        f"the others meet less than {surfaces['least_share_inside'][0]:.0%} of their quotes within bid and ask",
    )

    told = f"{fit.share_inside:.1%} in the mean of slices; median rmse {fit.rmse_vol_points:.3f} vol points"
    yield Check("surfaces: quotes met within bid and ask", told, "none", None)


def _of_spy(real: RealData) -> Iterator[Check]:
    quotes, greeks = figures.spy(real)
    crossed = quotes.filter(pl.col("bid") > pl.col("ask")).height
    named = greeks.filter(pl.col("reason") == "crossed").height
    told = f"{crossed} in the file, {named} named"
    yield Check("SPY: crossed quotes", told, "17 and 17", crossed == named == 17)

    pairs = figures.parity(quotes, greeks)
    yield Check(
        "SPY: parity is not called an error",
        f"{pairs.n_off} of {pairs.n_pairs} pairs off C - P = S - K DF; {pairs.n_off_with_reason} with a reason for it",
        "none with a reason",
        pairs.n_off > 0 and pairs.n_off_with_reason == 0,
        "early exercise and dividends lie between",
    )


def _of_aapl(real: RealData) -> Iterator[Check]:
    before, after = figures.split_tables(real)
    split = figures.through_split(before, after)
    yield Check(
        "AAPL 7:1: open interest x multiplier",
        f"{split.n_found} of {split.n_live} contracts found at strike/7; open interest x {split.median_ratio:g} "
        f"in the median, sum in shares of one kind x {split.share_equivalents:.3f}",
        "all, 7, 0.95 to 1.05",
        split.n_found == split.n_live and split.median_ratio == SPLIT_RATIO and 0.95 < split.share_equivalents < 1.05,
        "a session's trading lies between, and adds 3 to 4 % on other days of that week; the file goes on listing "
        f"{split.dead_share:.1%} more under the old strikes, without quotes",
    )

    macro = real.macro(SPLIT_SESSION)
    quoted = [table.filter(pl.col("bid").is_not_null()) for table in (before, after)]
    old, new = (figures.gamma_of_positions(table, macro) for table in quoted)
    told = f"{old / 1e9:.2f} and {new / 1e9:.2f} billion $ per 1 %, x {new / old:.3f}"
    yield Check("AAPL 7:1: gamma of all open interest", told, "0.8 to 1.25", 0.8 < new / old < 1.25)

    rules = figures.aapl_rejected(real)
    told = ", ".join(f"{day:%m-%d} {rule}" for day, rule in rules.items())
    passed = rules.get(HALF_CONVERTED) == "spot|outside_bar"
    yield Check("AAPL: half converted file", told, "06-06 set aside", passed, "06-13 has the spot of 06-10")


def _of_downloads(real: RealData) -> Iterator[Check]:
    table = TABLES["raw.option_quotes"]
    for name in DOWNLOADS:
        frame, rejected = real.download(name)
        broken = sum(table.schema.filter(frame)[1].counts().values())
        greeks = chain_analytics(frame, real.macro(frame["session"].max())).greeks
        own, stale = (greeks["iv_source"] == "own").mean(), (greeks["reason"] == "stale").fill_null(False).mean()
        yield Check(
            name,
            f"{frame.height:,} rows, {rejected.height} not read, {broken} against a rule of the table; "
            f"{own:.1%} with a volatility of their own, {stale:.1%} stale",
            "one schema, 0, 0",
            frame.schema == table.polars_schema and rejected.height == broken == 0 and greeks.height == frame.height,
            f"quoted {frame['ts'][0]:%H:%M} UTC" + (", hours before the snapshot" if stale > 0 else ""),
        )


def _of_time(real: RealData, chains: pl.DataFrame, macro: pl.DataFrame) -> Iterator[Check]:
    at_close, _ = real.download(figures.QUOTED_AT_CLOSE)
    rates = real.macro(at_close["session"].max())
    figures.levels_of(at_close, rates)
    taken = figures.seconds(lambda: figures.levels_of(at_close, rates), times=3)
    told = f"{taken:.3f} s for {at_close.height:,} contracts"
    yield Check("one chain from raw quotes to levels", told, f"{CHAIN_LIMIT_S:.0f} s", taken < CHAIN_LIMIT_S)

    taken = figures.seconds(lambda: figures.levels_of(chains, macro))
    n_sessions = chains["session"].n_unique()
    told = f"{taken:.1f} s for {n_sessions} sessions, {chains.height:,} contracts"
    passed = taken * 58 / n_sessions < ALL_CHAINS_LIMIT_S
    yield Check("all chains of 2019 from raw quotes to levels", told, f"{ALL_CHAINS_LIMIT_S:.0f} s for 58", passed)


def main() -> int:
    """Print the report and return the exit status."""
    if not SHARED_DATA.is_dir():
        print(f"NOTHING WAS CHECKED: the real chains are not at {SHARED_DATA}")
        return 2
    verdicts = []
    with tempfile.TemporaryDirectory() as folder:
        for check in checks(RealData(SHARED_DATA, Path(folder))):
            print(check.text(), flush=True)
            verdicts.append(check.passed)
    n_failed = verdicts.count(False)
    print(f"{len(verdicts) - verdicts.count(None)} checks on real chains, {n_failed} failed")
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main())
