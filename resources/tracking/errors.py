"""What goes wrong between here and a tracking store, as one kind of error."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class TrackingError(RuntimeError):
    """The tracking store could not be read or written. The models themselves are safe in ``models.trained``."""


@contextmanager
def typed_errors(action: str, address: str) -> Iterator[None]:
    """Turn what MLflow, its database or the network raise into a :class:`TrackingError` that says what to do."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        # MLflow's deprecations of its own dependencies are not ours.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (MlflowException, SQLAlchemyError, RequestException, OSError) as error:
        what = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TrackingError(
            f"could not {action} at {address}: {what}. The models are safe in models.trained; bring the tracking store "
            "back (or unset MLFLOW_TRACKING_URI to use the local one) and materialise the asset again: what is missing "
            "is logged without being trained anew"
        ) from error
