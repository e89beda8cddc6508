"""What has landed is there whole, once, and in the order of receipt; damage is found and never read."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.sessions import sessions_between
from gnosis.tables import TABLES
from resources.providers.live.cells import every_cell
from resources.providers.live.errors import Transient
from resources.providers.live.landing import Landing
from resources.providers.live.quality import failure_events, merged
from resources.providers.protocol import Source, conform
from resources.providers.rejections import no_rejections, rejected_rows
from tests.resources.providers.live.scripted import BARS, DIVIDENDS, NOW, SESSIONS, bars, put_bars

SOURCE = Source.of_bytes("GET /bars", b"body", "https://example.test/bars", NOW)
FAILED = pl.DataFrame({"session": SESSIONS[-1:], "fault": [0]})
EVENTS = failure_events(BARS, FAILED, [Transient("a", "bars", "HTTP 503", "later")], "b", NOW)
REJECTED = rejected_rows(pl.DataFrame({"day": [SESSIONS[0]] * 2}), date="day", rule="no_price", provider="a")


@pytest.fixture
def landing(tmp_path):
    return Landing(tmp_path / "landed")


def files_of(landing):
    return sorted(path for path in landing.folder.rglob("*") if path.is_file())


def put_whole(landing, frame, **rest):
    given_ = {"rejected": REJECTED, "events": EVENTS, "sources": [SOURCE], "service": "a", "received_at": NOW}
    return landing.put(BARS, frame.select("symbol", "session"), frame, **(given_ | rest))


def test_what_is_put_is_read(landing):
    frame = bars(["AAA", "BBB"], SESSIONS, "a")
    put_whole(landing, frame)
    landed = landing.read(BARS, ["AAA", "BBB"], SESSIONS)
    assert landed.frame.equals(frame)
    assert landed.rejected.equals(REJECTED)
    assert landed.events.equals(EVENTS)
    assert [(one.sha256, one.fetched_at, one.content) for one in landed.sources] == [(SOURCE.sha256, NOW, None)]
    assert landed.cells.equals(every_cell(["AAA", "BBB"], SESSIONS))
    assert landing.covered(BARS).equals(landed.cells)


def test_only_what_is_asked_for_is_read(landing):
    put_whole(landing, bars(["AAA", "BBB"], SESSIONS, "a"))
    landed = landing.read(BARS, ["BBB", "CCC"], SESSIONS[2:4])
    assert landed.frame.equals(bars(["BBB"], SESSIONS[2:4], "a"))
    assert landed.rejected.is_empty()
    assert landed.events.is_empty()
    assert landing.covered(BARS, SESSIONS[2:4]).height == 4
    assert landing.read(BARS, ["CCC"], SESSIONS).cells.is_empty()


def test_a_cell_without_rows_is_answered(landing):
    cells = every_cell(["AAA"], SESSIONS)
    empty = TABLES[DIVIDENDS].empty()
    given_ = {"rejected": no_rejections(), "events": EVENTS.clear(), "sources": (), "service": "a"}
    landing.put(DIVIDENDS, cells, empty, received_at=NOW, **given_)
    landed = landing.read(DIVIDENDS, ["AAA", "BBB"], SESSIONS)
    assert landed.cells.equals(cells)
    assert landed.frame.equals(empty)


def test_a_table_without_symbols_has_one_cell_a_session(landing):
    rows = pl.DataFrame({"session": SESSIONS[:2], "dix": [0.4, 0.5]}).with_columns(
        gex=None, known_at=pl.lit(NOW), provider=pl.lit("a"), synthetic=pl.lit(False)
    )
    frame = rows.select(list(TABLES["raw.dix"].polars_schema)).cast(dict(TABLES["raw.dix"].polars_schema))
    given_ = {"rejected": no_rejections(), "events": EVENTS.clear(), "sources": (), "service": "a"}
    landing.put("raw.dix", every_cell([""], SESSIONS[:2]), frame, received_at=NOW, **given_)
    assert landing.read("raw.dix", [""], SESSIONS[:1]).frame["dix"].to_list() == [0.4]


def test_the_first_part_counts_unless_a_later_one_was_put_again(landing):
    def close():
        return landing.read(BARS, ["AAA"], SESSIONS[:1]).frame["close"].to_list()

    def put(close_, seconds, *, again=False):
        put_bars(
            landing,
            bars(["AAA"], SESSIONS[:1], "a", close_),
            again=again,
            at=NOW + dt.timedelta(seconds=seconds),
        )

    seen = []
    for close_, again in [(1.0, False), (2.0, False), (3.0, True), (4.0, False), (5.0, True)]:
        put(close_, close_, again=again)
        seen += close()
    assert seen == [1.0, 1.0, 3.0, 3.0, 5.0]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from("AB"), min_size=1),
            st.sets(st.sampled_from(SESSIONS[:3]), min_size=1),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_every_cell_comes_whole_from_the_one_part_that_counts(tmp_path_factory, parts):
    landing = Landing(tmp_path_factory.mktemp("landed"))
    expected = {}
    for number, (symbols, days, again) in enumerate(parts):
        at = NOW + dt.timedelta(seconds=number)
        put_bars(landing, bars(sorted(symbols), sorted(days), "a", 1.0 + number), again=again, at=at)
        for cell in ((symbol, day) for symbol in symbols for day in days):
            if again or cell not in expected:
                expected[cell] = 1.0 + number
    frame = landing.read(BARS, ["A", "B"], SESSIONS).frame
    assert {(row["symbol"], row["session"]): row["close"] for row in frame.to_dicts()} == expected


def test_the_same_answer_gives_the_same_bytes(tmp_path):
    frame = bars(["AAA", "BBB"], SESSIONS, "a")
    contents = []
    for name in "xy":
        landing = Landing(tmp_path / name)
        put_whole(landing, frame if name == "x" else frame.sample(fraction=1.0, shuffle=True, seed=1))
        put_whole(landing, frame)
        contents.append({path.name: path.read_bytes() for path in files_of(landing)})
    assert contents[0] == contents[1]
    assert len(contents[0]) == 4


@pytest.mark.parametrize("suffix", ["json", "rows.parquet", "rejected.parquet", "events.parquet"])
@pytest.mark.parametrize("how", ["truncated", "changed", "gone"])
def test_a_damaged_part_is_set_aside_and_another_one_counts(landing, suffix, how):
    whole = bars(["AAA"], SESSIONS[:1], "b", 2.0)
    record = put_whole(landing, bars(["AAA"], SESSIONS, "a", 1.0))
    put_bars(landing, whole, at=NOW + dt.timedelta(seconds=1))
    file = record.with_name(record.name.replace("json", suffix))
    content = file.read_bytes()
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(content[: len(content) // 2] if how == "truncated" else bytes([content[0] ^ 1]) + content[1:])
    landed = landing.read(BARS, ["AAA"], SESSIONS)
    assert landed.frame.equals(whole)
    assert landed.cells.equals(every_cell(["AAA"], SESSIONS[:1]))
    if (suffix, how) != ("json", "gone"):
        assert (landing.folder / "damaged" / BARS).is_dir()
        assert not record.exists()


def test_half_a_part_of_a_killed_process_is_not_there(landing):
    record = put_whole(landing, bars(["AAA"], SESSIONS, "a"))
    half = record.read_bytes()[:40]
    record.unlink()
    record.with_name(f".{record.name}.123").write_bytes(half)
    assert landing.covered(BARS).is_empty()
    assert landing.read(BARS, ["AAA"], SESSIONS).frame.is_empty()


def test_rows_of_an_older_form_of_the_table_are_not_read(landing, monkeypatch):
    put_whole(landing, bars(["AAA"], SESSIONS, "a"))
    monkeypatch.setattr("resources.providers.live.landing._form", lambda table: "another")
    assert landing.covered(BARS).is_empty()


def test_a_row_that_two_parts_report_is_one_and_equal_rows_of_one_part_are_not(landing):
    for symbol in ("AAA", "BBB"):
        put_whole(landing, bars([symbol], SESSIONS, "a"))
    assert landing.read(BARS, ["AAA", "BBB"], SESSIONS).rejected.equals(REJECTED)


def test_what_a_part_says_of_cells_that_no_longer_count_is_not_read(landing):
    def put(symbols, sessions, at, **rest):
        frame = bars(symbols, sessions, "a")
        put_whole(landing, frame, received_at=NOW + dt.timedelta(seconds=at), **rest)

    def read():
        landed = landing.read(BARS, ["AAA", "BBB"], SESSIONS)
        return sorted(landed.events.select("kind", "symbol").rows()), landed.rejected.height

    doubts = pl.concat(
        [
            conform(EVENTS.with_columns(symbol=pl.lit(name), kind=pl.lit("price_disagreement")), "raw.quality_events")
            for name in ("AAA", "BBB")
        ]
    )
    put(["AAA", "BBB"], SESSIONS, 0, events=pl.concat([EVENTS, doubts]))
    of_both = [("failover", ""), ("price_disagreement", "AAA"), ("price_disagreement", "BBB")]
    assert read() == (of_both, 2)
    nothing = {"events": EVENTS.clear(), "rejected": no_rejections(), "again": True}
    put(["AAA"], SESSIONS, 1, **nothing)
    assert read() == ([of_both[0], of_both[2]], 2)
    put(["BBB"], SESSIONS[:1], 2, **nothing)
    assert read() == ([of_both[0], of_both[2]], 0)
    put(["BBB"], SESSIONS[1:-1], 3, **nothing)
    assert read() == ([of_both[0], of_both[2]], 0)
    put(["BBB"], SESSIONS[-1:], 4, **nothing)
    assert read() == ([], 0)


class TestNotes:
    def test_a_later_note_of_a_session_replaces_the_earlier(self, landing):
        landing.note(BARS, SESSIONS, EVENTS)
        landing.note(DIVIDENDS, SESSIONS, EVENTS.with_columns(table_name=pl.lit(DIVIDENDS)))
        assert landing.noted(SESSIONS)["table_name"].to_list() == [DIVIDENDS, BARS]
        landing.note(BARS, SESSIONS[-1:], EVENTS.clear())
        assert landing.noted(SESSIONS)["table_name"].to_list() == [DIVIDENDS]
        assert landing.noted(SESSIONS[:-1]).is_empty()

    def test_notes_of_other_sessions_and_months_stay(self, landing):
        days = sessions_between(dt.date(2012, 11, 28), dt.date(2012, 12, 4))
        for day in days:
            landing.note(BARS, [day], EVENTS.with_columns(session=pl.lit(day)))
        landing.note(BARS, days[2:4], EVENTS.clear())
        assert landing.noted(days)["session"].to_list() == [*days[:2], *days[4:]]
        assert merged(landing.noted(days)).equals(landing.noted(days))

    def test_an_event_of_another_session_is_refused(self, landing):
        with pytest.raises(ValueError, match="expected events of the sessions noted"):
            landing.note(BARS, SESSIONS[:2], EVENTS)

    def test_nothing_noted_is_no_events(self, landing):
        assert landing.noted(SESSIONS).schema == TABLES["raw.quality_events"].polars_schema


@pytest.mark.heavy
def test_two_processes_land_at_once_and_a_kill_leaves_whole_parts(landing, start, go):
    writer, doomed = (start("land", landing.folder.parent, name, n) for name, n in (("A", 20), ("B", 10_000)))
    go(writer, doomed)
    assert writer.wait(timeout=60) == 0
    doomed.kill()
    said = doomed.communicate()[0].split()
    names = [f"A{number}" for number in range(20)] + [f"B{number}" for number in said]
    landed = landing.read(BARS, names, SESSIONS)
    assert landed.cells.height == len(names) * len(SESSIONS)
    assert said
    assert landing.covered(BARS)["symbol"].n_unique() - len(names) in (0, 1)


def test_a_part_that_nobody_confirmed_says_so_of_each_row_that_counts(landing):
    put_whole(landing, bars(["AAA"], SESSIONS, "a", 5.0), events=EVENTS.clear(), alone="b Transient: HTTP 503")
    put_bars(landing, bars(["AAA"], SESSIONS[:1], "b"), again=True, at=NOW + dt.timedelta(seconds=1))
    events = landing.read(BARS, ["AAA"], SESSIONS[:3]).events
    assert events.select("session", "kind", "chosen", "value", "known_at").rows() == [
        (day, "unverified", "a", 5.0, NOW) for day in SESSIONS[1:3]
    ]
    assert events["detail"][0] == "only a gave a price: b Transient: HTTP 503"


def test_what_was_put_can_be_forced_to_the_disk(landing):
    put_whole(landing, bars(["AAA"], SESSIONS, "a"))
    landing.settle()
    landing.settle()
    assert landing.covered(BARS).height == len(SESSIONS)
