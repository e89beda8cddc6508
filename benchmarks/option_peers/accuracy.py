"""What every library answers on the hard contracts, against 50-digit references."""

from __future__ import annotations

from typing import Any

import numpy as np

from gnosis.options import Greeks, greeks, implied_vol
from gnosis.options.pricing.implied_vol import IV_REASONS
from option_peers import libraries
from option_peers.chains import Book

N_HARD = 2000
RIGHT_WITHIN, WRONG_BEYOND = 1e-9, 1e-6
SMALLEST = 1e-280


def hard_book(grid: Any) -> Book:
    """Return the hard contracts with their rounded reference prices."""
    c, references = grid
    return Book(
        c.strike,
        c.tau_years,
        c.forward,
        c.discount,
        c.iv,
        c.is_call,
        references.value[0],
        c.rate,
        c.carry,
        c.spot,
    )


def implied_vol_verdicts(grid: Any, oracles: Any) -> dict[str, str]:
    """Print the accuracy of every solver and return WRONG with the count for those that answer wrongly."""
    book, kind = hard_book(grid), grid.references.kind
    own = implied_vol(book.price, book.strike, book.tau, book.forward, book.discount, book.is_call)
    answers = {"gnosis": own.iv}
    if (run := libraries.iv_engine_implied_vol(book)) is not None:
        answers["iv-engine"] = libraries.merged(book, run())
    answers["pyvolr"] = libraries.merged(book, libraries.pyvolr_implied_vol(book)())
    answers["vollib"] = libraries.vollib_implied_vol(book, oracles)()
    with np.errstate(all="ignore"):
        answers["numpy"] = libraries.numpy_implied_vol(book)()

    counts = {name: int((kind == name).sum()) for name in ("identified", "unidentified", "below_intrinsic", "vanished")}
    print(f"\nHard grid: {N_HARD} contracts, " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    print("  identified: the price holds its volatility to 1e-9; flagged: a volatility of NaN or 0")
    heads = ("within 1e-9", "worst error", "silently wrong", "no solution:", "unidentified:")
    below = ("identified", "identified", "> 1e-6", "flagged", "off, no word")
    for words in (heads, below):
        print(f"  {'':<10}" + "".join(f"{word:>16}" for word in words))
    verdicts = {}
    for name, iv in answers.items():
        flagged = ~(iv > 0)
        error = np.abs(iv - grid.references.iv)
        identified, hopeless = kind == "identified", np.isnan(grid.references.iv)
        wrong = int((identified & ~flagged & (error > WRONG_BEYOND)).sum())
        silent = int(((kind == "unidentified") & ~flagged & (error > WRONG_BEYOND)).sum())
        answered = identified & ~flagged
        print(
            f"  {name:<10}{(answered & (error <= RIGHT_WITHIN)).sum() / identified.sum():>16.2%}"
            f"{error[answered].max():>16.1e}{wrong:>16}{flagged[hopeless].mean():>16.1%}{silent:>16}"
        )
        if wrong:
            verdicts[name] = f"WRONG in {wrong} of {counts['identified']} hard contracts"
    is_solved = own.reason == IV_REASONS.index("solved")
    excess = np.abs(own.iv - grid.references.iv)[is_solved] / own.error[is_solved]
    print(
        f"  gnosis: error of {is_solved.sum()} solved rows is at most {excess.max():.2f} of the bound that it returns"
    )
    return verdicts


def greeks_verdicts(grid: Any, oracles: Any) -> dict[str, str]:
    """Print the relative errors of price and Greeks, of sums against their largest term; return who is wrong."""
    book = hard_book(grid)
    split = libraries.pyvolr_greeks(book)()
    names = {value: key for key, value in oracles.COLUMNS.items()}
    answers: dict[str, dict[str, np.ndarray]] = {
        "gnosis": greeks(*grid.contracts[1:])._asdict(),
        "pyvolr": {"price": libraries.merged(book, [price for price, _ in split])}
        | {column: libraries.merged(book, [found[name] for _, found in split]) for column, name in names.items()},
        "vollib": libraries.vollib_greeks(book, oracles)(),
        "numpy": dict(zip(Greeks._fields, libraries.numpy_greeks(book)(), strict=True)),
    }
    if (run := libraries.jax_greeks(book)) is not None:
        answers["JAX"] = dict(zip(Greeks._fields[:9], map(np.asarray, run()), strict=True))
    print(f"\n  {'relative error':<22}" + "".join(f"{name:>12}" for name in answers) + "   (largest; limit 1e-11)")
    wrong = dict.fromkeys(answers, 0)
    for row, quantity in enumerate(Greeks._fields):
        line = f"  {quantity:<22}"
        for name, found in answers.items():
            if quantity not in found:
                line += f"{'-':>12}"
                continue
            scale = np.maximum(grid.references.scale[row], SMALLEST)
            error = np.nan_to_num(np.abs(found[quantity] - grid.references.value[row]) / scale, nan=np.inf)
            wrong[name] += int((error > WRONG_BEYOND).sum())
            line += f"{error.max():>12.1e}"
        print(line)
    print(f"  {'values off by > 1e-6':<22}" + "".join(f"{count:>12}" for count in wrong.values()))
    return {name: f"WRONG in {count} values of the hard grid" for name, count in wrong.items() if count}
