"""Provider "files": the user's own files."""

from resources.providers.files.provider import FilesProvider

__all__ = ["FilesProvider"]
