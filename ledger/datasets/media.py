"""The media type of a file, guessed from its suffix by a short table of our own.

The system's tables differ from machine to machine, and the media type stands in signed bytes: the same file must give
the same record everywhere. What the table does not know is application/octet-stream.
"""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Final

DEFAULT: Final = "application/octet-stream"

_BY_SUFFIX: Final = {
    ".csv": "text/csv",
    ".gz": "application/gzip",
    ".htm": "text/html",
    ".html": "text/html",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".md": "text/markdown",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".py": "text/x-python",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".txt": "text/plain",
    ".wav": "audio/wav",
    ".webp": "image/webp",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": "application/zip",
}


def guess_media(path: str | os.PathLike[str]) -> str:
    """The media type that the path's last suffix stands for, without regard to case; the file is not opened."""
    return _BY_SUFFIX.get(PurePath(path).suffix.lower(), DEFAULT)
