"""Model ids, and the aliases OpenAI's clients send for them."""

from functools import lru_cache
import json
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

# N.B. relative to the working directory of the service, as upstream's.
MODEL_ID_ALIASES_PATH = Path("model_aliases.json")


@lru_cache
def load_model_id_aliases() -> dict[str, str]:
    return json.loads(MODEL_ID_ALIASES_PATH.read_text(encoding="utf-8"))


def resolve_model_id_alias(model_id: str) -> str:
    return load_model_id_aliases().get(model_id, model_id)


type AliasedModelId = Annotated[str, BeforeValidator(resolve_model_id_alias)]

ModelId = Annotated[
    AliasedModelId,
    Field(min_length=1, description="A model of `/v1/models`, or an alias.", examples=["sample/tone-speech"]),
]
