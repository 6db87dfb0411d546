"""What an executor knows about the models it can run."""

from collections.abc import Generator

from speaches.api_types import Model
from speaches.hf_utils import HfModelFilter, get_cached_model_repos_info


class ModelRegistry[ModelT: Model, ModelFilesT]:
    """Finds the models in the cache that pass `hf_model_filter`, and their files."""

    def __init__(self, hf_model_filter: HfModelFilter) -> None:
        self.hf_model_filter = hf_model_filter

    def list_local_models(self) -> Generator[ModelT]:
        for repo in get_cached_model_repos_info():
            if repo.card is not None and self.hf_model_filter.passes_filter(repo.repo_id, repo.card):
                yield self.get_model(repo.repo_id, int(repo.last_modified.timestamp()), repo.card.language)

    def get_model(self, model_id: str, created: int, language: list[str]) -> ModelT:
        """Describe a model; `created` is a Unix time in seconds."""
        raise NotImplementedError

    def download_model_files(self, model_id: str) -> None:
        """Fetch a model from the hub; ConnectionError if there is none for this kind of model."""
        raise ConnectionError(f"the sample has no hub to fetch `{model_id}` from")

    def get_model_files(self, model_id: str) -> ModelFilesT:
        """Return the paths of a model's files; FileNotFoundError names the one that is missing."""
        raise NotImplementedError
