"""What a person sees of a run on the terminal: only what the assets say, one line each."""

from __future__ import annotations

import logging
import sys

import dagster as dg


class PlainFormatter(logging.Formatter):
    """Time, level where it matters, and the message as it was given."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, without Dagster's own prefix of job, run and step."""
        about = getattr(record, "dagster_meta", None) or {}
        message = about.get("orig_message", record.getMessage())
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        return f"{self.formatTime(record, '%H:%M:%S')} {level}{message}"


def is_told_once(record: logging.LogRecord) -> bool:
    """Return False for the line that Dagster repeats for every step downstream of a failure."""
    about = getattr(record, "dagster_meta", None) or {}
    return not str(about.get("orig_message", "")).startswith("Dependencies for step")


@dg.logger
def terminal_logger(context: dg.InitLoggerContext) -> logging.Logger:  # noqa: ARG001
    """Return a logger that writes INFO and above to standard error."""
    logger = logging.Logger("gnosis", level=logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter())
    handler.addFilter(is_told_once)
    logger.addHandler(handler)
    return logger
