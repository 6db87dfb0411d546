"""The OpenAPI document, in which forms with a file are what a client has to send.

Upstream marks its files as fields of any form, so the document says `application/x-www-form-urlencoded`: the page of
`/docs` then sends the name of a file in place of its content, and so do clients that are made from the document.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

_URLENCODED, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


def install(application: FastAPI) -> None:
    """Correct the document wherever it is asked for."""
    document = application.openapi

    def corrected() -> dict[str, Any]:
        return with_multipart(document())

    application.openapi = corrected  # type: ignore[method-assign]


def with_multipart(document: dict[str, Any]) -> dict[str, Any]:
    """The same document, with the type of forms with a file."""
    models = document.get("components", {}).get("schemas", {})
    for operations in document["paths"].values():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {})
            if _URLENCODED in content and _has_file(content[_URLENCODED].get("schema", {}), models):
                content[_MULTIPART] = content.pop(_URLENCODED)
    return document


def _has_file(schema: Mapping[str, Any], models: Mapping[str, Any]) -> bool:
    model = models.get(schema.get("$ref", "").rpartition("/")[2], schema)
    return any(
        # Newer versions of FastAPI say it in the second way.
        field.get("format") == "binary" or "contentMediaType" in field
        for field in model.get("properties", {}).values()
    )
