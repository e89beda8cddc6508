"""What can go wrong with the lake, each with what was expected, what was found and what to do."""

from __future__ import annotations


class LakeError(Exception):
    """Base of all errors of the lake."""


class UnknownTableError(LakeError, LookupError):
    """A table that the data dictionary does not know."""


class SchemaMismatchError(LakeError, ValueError):
    """A frame that does not have the table's columns and dtypes, or holds a key twice."""


class SessionMismatchError(LakeError, ValueError):
    """Rows outside the sessions that were to be written, or sessions where the table takes none."""


class MigrationNeededError(LakeError):
    """A stored period whose columns cannot be read losslessly as the table's present columns."""


class ForeignHomeError(LakeError):
    """A home made with another provider, so that its sessions would be mixed."""


class NewerHomeError(LakeError):
    """A home written by a later version of this software."""


class CorruptFileError(LakeError):
    """A stored file that is missing, cut short or altered."""


class DiskFullError(LakeError, OSError):
    """No room to write; what was stored before is untouched."""


class LakeBusyError(LakeError, TimeoutError):
    """Another writer held the lock for longer than we wait."""


class VersionNotFoundError(LakeError, LookupError):
    """A version of a table that was never committed or has been retired."""


class CatalogMissingError(LakeError, FileNotFoundError):
    """No catalog was published in this home yet."""


class NotLocalError(LakeError):
    """Something that only works on a local home, asked of a remote one."""
