"""The table of services in docs/providers.md is what their profiles say; ``--regenerate-snapshot`` writes it anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnosis.tables import TABLES
from resources.providers.live.access import Access
from resources.providers.services import SERVICES, make_service

DOCUMENT = Path(__file__).parents[4] / "docs" / "providers.md"
BEGIN, END = "<!-- services -->\n", "<!-- end of services -->"
PROFILES = {name: make_service(Access(name)).profile for name in SERVICES}


def key_of(profile) -> str:
    told = []
    for key, needed in ((profile.key, "needs"), (profile.optional_key, "takes")):
        if key is not None:
            names = " or ".join(" and ".join(f"`{name}`" for name in names) for names in key.alternatives)
            told.append(f"{needed} {names}: {key.how}")
    return "; ".join(told) or "none needed"


def table() -> str:
    lines = [
        "| service | tables | key | requests | newest datum | price | terms |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, profile in PROFILES.items():
        tables = ", ".join(sorted(table.removeprefix("raw.") for table in profile.capabilities))
        rates = ", ".join(f"{rate.requests} per {rate.seconds:g} s" for rate in profile.rates)
        delays = [capability.delay_s for capability in profile.capabilities.values()]
        delay = " to ".join(dict.fromkeys(f"{delay / 60:.0f}" for delay in (min(delays), max(delays)))) + " min late"
        price = f"{profile.cost_usd_per_request:g} $" if profile.cost_usd_per_request else "free"
        cells = [f"`{name}`: {profile.title}", tables, key_of(profile), rates, delay, price, profile.terms]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def test_the_documented_services_are_those_of_the_code(request):
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    found, _, after = rest.partition(END)
    if request.config.getoption("--regenerate-snapshot"):
        DOCUMENT.write_text(before + BEGIN + table() + END + after)
        pytest.skip("docs/providers.md was written anew; look at its diff")
    assert found == table()


@pytest.mark.parametrize("name", SERVICES)
def test_a_profile_is_complete(name):
    profile = PROFILES[name]
    assert profile.name == name
    assert profile.title and profile.terms and profile.rates
    assert profile.hosts or name == "rss"
    assert set(profile.capabilities) <= set(TABLES)
    assert all(rate.requests > 0 and rate.seconds > 0 for rate in profile.rates)
    for key in (profile.key, profile.optional_key):
        assert key is None or ("http" in key.how or "." in key.how)


def test_making_a_service_imports_no_sdk():
    import subprocess
    import sys

    code = (
        "import sys; from resources.providers.services import SERVICES, make_service; "
        "from resources.providers.live.access import Access; [make_service(Access(n)) for n in SERVICES]; "
        "sdks = {'yfinance', 'ccxt', 'massive', 'polygon', 'alpaca', 'praw', 'tweepy', 'feedparser', 'pandas'}; "
        "print(sorted(sdks & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
