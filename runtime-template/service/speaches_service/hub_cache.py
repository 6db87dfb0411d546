"""What a Hugging Face cache contains, told by its directories: the package for it would be imported at the start."""

import glob
import os

_PREFIX = "models--"


def repositories(cache: str) -> list[str]:
    """The models in a cache (`…/hub`), which need not be there."""
    names = glob.glob(f"{_PREFIX}*--*", root_dir=cache)
    return [name.removeprefix(_PREFIX).replace("--", "/") for name in sorted(names)]


def snapshots(cache: str, repository: str) -> list[str]:
    """The directories of its revisions: first that which `refs/main` names, then others, as of one that was bundled."""
    directory = os.path.join(cache, _PREFIX + repository.replace("/", "--"))
    try:
        with open(os.path.join(directory, "refs", "main"), encoding="utf-8") as file:
            main = file.read().strip()
    except OSError:
        main = ""
    found = glob.glob(os.path.join(glob.escape(directory), "snapshots", "*"))
    return sorted(found, key=lambda path: (os.path.basename(path) != main, path))
