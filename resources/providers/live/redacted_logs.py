"""Secrets kept out of what libraries log: an HTTP client tells the whole address, and some keys travel in it."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resources.providers.live.access import Access


def redact_logs(access: Access, *loggers: str) -> None:
    """Strike the secrets of ``access`` out of every record of some loggers, until ``access`` is closed.

    Each is named: what filters a logger does not see the records of those below it.

    Examples
    --------
    >>> from resources.providers.live.access import Access
    >>> access = Access("example", keys={"EXAMPLE_KEY": "s3cret"})
    >>> redact_logs(access, "example")
    >>> record = logging.LogRecord("example", logging.INFO, "", 0, "GET %s", ("/?apikey=s3cret",), None)
    >>> bool(logging.getLogger("example").filter(record)), record.getMessage()
    (True, 'GET /?apikey=***')
    >>> access.close()
    """
    if not access.keys:
        return

    def redacted(record: logging.LogRecord) -> bool:
        record.msg, record.args = access.redact(record.getMessage()), ()
        return True

    for logger in map(logging.getLogger, loggers):
        logger.addFilter(redacted)
        access.closers.append(partial(logger.removeFilter, redacted))
