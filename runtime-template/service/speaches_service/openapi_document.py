"""Corrects the content type of forms with a file in the OpenAPI document.

Upstream declares its files as ordinary form fields, so the document says `application/x-www-form-urlencoded`. The page
`/docs`, and clients generated from the document, then send the name of a file instead of its content.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

_URLENCODED, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


def install(application: FastAPI) -> None:
    document = application.openapi

    def corrected() -> dict[str, Any]:
        return with_multipart(document())

    application.openapi = corrected  # type: ignore[method-assign]


def with_multipart(document: dict[str, Any]) -> dict[str, Any]:
    """Declare forms with a file as `multipart/form-data`."""
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
        # Newer versions of FastAPI use `contentMediaType`.
        field.get("format") == "binary" or "contentMediaType" in field
        for field in model.get("properties", {}).values()
    )
