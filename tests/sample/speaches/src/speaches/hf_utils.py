"""The Hugging Face cache on disk: which models are there, and what their cards say."""

from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
import logging
import os
from pathlib import Path
import shutil
from typing import Self

from pydantic import BaseModel

logger = logging.getLogger(__name__)

HF_HOME = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
HF_HUB_CACHE = Path(os.environ.get("HF_HUB_CACHE") or HF_HOME / "hub").expanduser()


@dataclass
class ModelCardData:
    """The front matter of a model card, as far as choosing an executor needs it."""

    library_name: str | None = None
    pipeline_tag: str | None = None
    tags: list[str] = field(default_factory=list)
    language: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, readme: Path) -> Self:
        """Read `key: value` and `key:` with `- item` lines: the part of YAML that model cards use for these four keys."""
        values: dict[str, list[str]] = {}
        lines = iter(readme.read_text(encoding="utf-8").splitlines())
        if next(lines, "").strip() == "---":
            items: list[str] = []
            for line in lines:
                if line.strip() == "---":
                    break
                if line.lstrip().startswith("- "):
                    items.append(_scalar(line.lstrip()[2:]))
                elif line[:1].isalpha() and ":" in line:
                    key, _, value = line.partition(":")
                    items = values[key] = [_scalar(value)] if value.strip() else []
        return cls(
            library_name=next(iter(values.get("library_name", [])), None),
            pipeline_tag=next(iter(values.get("pipeline_tag", [])), None),
            tags=values.get("tags", []),
            language=values.get("language", []),
        )


def _scalar(text: str) -> str:
    return text.strip().strip("'\"")


def load_repo_model_card_data(readme: str) -> ModelCardData:
    return ModelCardData.load(Path(readme))


@dataclass
class CachedRepoInfo:
    """A model repository in the cache."""

    repo_id: str
    snapshot: Path
    last_modified: datetime
    card: ModelCardData | None


class HfModelFilter(BaseModel):
    """What a card must say for an executor to take the model."""

    model_name: str | None = None
    library_name: str | None = None
    task: str | None = None
    tags: set[str] = set()

    def passes_filter(self, model_id: str, model_card_data: ModelCardData) -> bool:
        tags = set(model_card_data.tags)
        return (
            (self.model_name is None or self.model_name.lower() in model_id.lower())
            and (self.library_name is None or self.library_name in {model_card_data.library_name, *tags})
            and (self.task is None or self.task in {model_card_data.pipeline_tag, *tags})
            and self.tags <= tags
        )


def get_cached_model_repos_info() -> list[CachedRepoInfo]:
    """List the models of the cache, by id. A cache that does not exist holds none."""
    if not HF_HUB_CACHE.is_dir():
        return []
    found = (_cached_repo_info(path) for path in sorted(HF_HUB_CACHE.glob("models--*--*")))
    return [info for info in found if info is not None]


def get_cached_model_repo_info(model_id: str) -> CachedRepoInfo | None:
    # Compared, not joined into a path: an id with `..` in it is simply not there.
    return next((info for info in get_cached_model_repos_info() if info.repo_id == model_id), None)


def get_model_repo_path(model_id: str) -> Path | None:
    """Return the directory of a model in the cache, or None if it is not there."""
    info = get_cached_model_repo_info(model_id)
    return None if info is None else info.snapshot.parent.parent


def delete_local_model_repo(model_id: str) -> None:
    """Remove a model from the cache, or raise FileNotFoundError."""
    path = get_model_repo_path(model_id)
    if path is None:
        raise FileNotFoundError(f"Model '{model_id}' is not in the cache `{HF_HUB_CACHE}`")
    shutil.rmtree(path)


def list_model_files(model_id: str) -> Generator[Path]:
    info = get_cached_model_repo_info(model_id)
    if info is not None:
        yield from (path for path in info.snapshot.rglob("*") if path.is_file())


def find_model_file(model_id: str, name: str) -> Path:
    """Return the path of one file of a model, or raise FileNotFoundError."""
    path = next((path for path in list_model_files(model_id) if path.name == name), None)
    if path is None:
        raise FileNotFoundError(f"`{name}` of the model `{model_id}` is not in the cache `{HF_HUB_CACHE}`")
    return path


def _cached_repo_info(path: Path) -> CachedRepoInfo | None:
    main = path / "refs" / "main"
    snapshot = path / "snapshots" / main.read_text(encoding="ascii").strip() if main.is_file() else None
    if snapshot is None or not snapshot.is_dir():
        logger.debug(f"`{path}` has no snapshot of `main`")
        return None
    readme = snapshot / "README.md"
    return CachedRepoInfo(
        repo_id=path.name.removeprefix("models--").replace("--", "/"),
        snapshot=snapshot,
        last_modified=datetime.fromtimestamp(snapshot.stat().st_mtime, UTC),
        card=ModelCardData.load(readme) if readme.is_file() else None,
    )
