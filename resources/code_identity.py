"""What code is running: hashes of the library's sources and of the locked dependencies, and the commit."""

from __future__ import annotations

import hashlib
import subprocess
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

import gnosis

_ROOT = Path(gnosis.__file__).parent


@cache
def code_sha256() -> str:
    """Return the hash of every source file of the library, by path."""
    digest = hashlib.sha256()
    for path in sorted(_ROOT.rglob("*.py")):
        digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def lock_sha256() -> str:
    """Return the hash of the installed distributions by name and version: what the lock file became here."""
    installed = sorted({f"{found.metadata['Name']}=={found.version}".lower() for found in distributions()})
    return hashlib.sha256("\n".join(installed).encode()).hexdigest()


@cache
def git_state() -> tuple[str, str]:
    """Return the commit and whether files differ from it, ``true`` or ``false``; ``unknown`` outside a repository."""
    try:
        commit = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return "unknown", "unknown"
    return commit, "true" if changed else "false"


def _git(*arguments: str) -> str:
    found = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, timeout=20, check=True)
    return found.stdout.strip()
