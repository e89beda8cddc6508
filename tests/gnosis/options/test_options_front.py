"""What ``import gnosis.options`` gives: one sorted list of names, an overview of them, and no compiler."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

from gnosis import options


def test_every_function_is_in_the_overview_and_nothing_else():
    told = set(re.findall(r":func:`(\w+)`", options.__doc__))
    assert told == {name for name in options.__all__ if inspect.isfunction(getattr(options, name))}


def test_every_name_has_a_docstring():
    assert len(set(options.__all__)) == len(options.__all__)
    undocumented = [name for name in options.__all__ if not (getattr(options, name).__doc__ or "").strip()]
    assert undocumented == []


def test_importing_compiles_nothing():
    told = "import sys, gnosis.options; print([name for name in ('numba', 'scipy', 'llvmlite') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
