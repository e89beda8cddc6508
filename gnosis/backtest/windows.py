"""Training and test windows of a walk-forward optimisation, in positions of sessions (L-4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scheme = Literal["anchored", "rolling"]


class WindowsError(ValueError):
    """Lengths from which no window can be cut."""


@dataclass(frozen=True)
class Window:
    """One training window and the test window after it; positions of sessions, the last ones inclusive."""

    number: int
    train_first: int
    train_last: int
    test_first: int
    test_last: int

    @property
    def n_purged(self) -> int:
        """Sessions between the two that belong to neither."""
        return self.test_first - self.train_last - 1


@dataclass(frozen=True)
class Windows:
    """How windows are cut; each test window begins where the one before ended.

    Attributes
    ----------
    scheme
        ``rolling``: training windows of equal length; ``anchored``: all begin at the first session.
    train_sessions, test_sessions
        Lengths; the last test window may be shorter. Training is counted before purging.
    purge_sessions
        Sessions before the test window that are not trained on: at least as many as an outcome takes to be known.
    embargo_sessions
        Further sessions left out on top of these.

    Examples
    --------
    >>> [(w.train_first, w.train_last, w.test_first, w.test_last) for w in Windows("rolling", 500, 100, 5).cut(700)]
    [(0, 494, 500, 599), (100, 594, 600, 699)]
    """

    scheme: Scheme = "rolling"
    train_sessions: int = 756
    test_sessions: int = 63
    purge_sessions: int = 1
    embargo_sessions: int = 0

    def __post_init__(self) -> None:
        if self.scheme not in ("anchored", "rolling"):
            raise WindowsError(f"expected scheme 'anchored' or 'rolling', found {self.scheme!r}")
        gap = self.purge_sessions + self.embargo_sessions
        if self.test_sessions < 1 or self.purge_sessions < 0 or self.embargo_sessions < 0 or gap >= self.train_sessions:
            raise WindowsError(
                f"expected test windows of 1 session or more and training longer than purge and embargo, found {self}"
            )

    def cut(self, n_sessions: int) -> list[Window]:
        """Return the windows of so many sessions.

        Raises
        ------
        WindowsError
            When not even one test session is left.
        """
        if n_sessions <= self.train_sessions:
            raise WindowsError(
                f"expected more than {self.train_sessions} sessions, found {n_sessions}: shorten train_sessions or "
                "load a longer history"
            )
        gap = self.purge_sessions + self.embargo_sessions
        return [
            Window(
                number=number,
                train_first=0 if self.scheme == "anchored" else first - self.train_sessions,
                train_last=first - gap - 1,
                test_first=first,
                test_last=min(first + self.test_sessions, n_sessions) - 1,
            )
            for number, first in enumerate(range(self.train_sessions, n_sessions, self.test_sessions))
        ]
