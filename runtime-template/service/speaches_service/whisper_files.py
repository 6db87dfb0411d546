"""Loads Whisper models from the local cache first.

faster_whisper sends requests to the hub at every load, even if the cache has all files. Without a network, each load
waits for their timeouts.
"""

import os
from collections.abc import Callable
from typing import cast

from speaches_service.rebinding import imported
from speaches_service.rebinding import rebind as rebind_name

_MODULE = "faster_whisper.transcribe"
_NEEDED_FILES = ("config.json", "model.bin", "tokenizer.json")


def rebind() -> None:
    """Replace faster_whisper's `download_model`."""
    if imported(_MODULE) is None:
        return

    def find_or_download(
        size_or_id: str, *, local_files_only: bool = False, cache_dir: str | None = None, **options: object
    ) -> str:
        """The directory of a model. Uses the hub only if a file is missing and `local_files_only` is unset."""
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            path = download(size_or_id, local_files_only=True, cache_dir=cache_dir, **options)
            if local_files_only or is_complete(path):
                return path
        except LocalEntryNotFoundError:
            if local_files_only:
                raise
        return download(size_or_id, local_files_only=False, cache_dir=cache_dir, **options)

    download = cast("Callable[..., str]", rebind_name(_MODULE, "download_model", find_or_download))


def is_complete(path: str) -> bool:
    """Whether a directory has all files of a Whisper model; an interrupted download leaves some of them out."""
    return all(os.path.exists(os.path.join(path, name)) for name in _NEEDED_FILES)
