"""Reads the contents of a Hugging Face cache from its directories, without the slow import of `huggingface_hub`."""

import glob
import importlib
import os

_PREFIX = "models--"


def directory() -> str:
    """Upstream's cache."""
    return str(importlib.import_module("speaches.hf_utils").HF_HUB_CACHE)


def repositories(cache: str) -> list[str]:
    """The models in a cache (`…/hub`); none if the directory does not exist."""
    names = glob.glob(f"{_PREFIX}*--*", root_dir=cache)
    return [name.removeprefix(_PREFIX).replace("--", "/") for name in sorted(names)]


def snapshots(cache: str, repository: str) -> list[str]:
    """The directories of a model's revisions: first the one in `refs/main`, then others, such as a bundled revision."""
    path = os.path.join(cache, _PREFIX + repository.replace("/", "--"))
    try:
        with open(os.path.join(path, "refs", "main"), encoding="utf-8") as file:
            main = file.read().strip()
    except OSError:
        main = ""
    found = glob.glob(os.path.join(glob.escape(path), "snapshots", "*"))
    return sorted(found, key=lambda snapshot: (os.path.basename(snapshot) != main, snapshot))
