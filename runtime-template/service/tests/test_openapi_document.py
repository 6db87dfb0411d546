import copy
import sys
import unittest
from typing import Any

try:
    from fastapi import FastAPI

    from speaches_service import openapi_document
except ImportError as error:
    print(f"skipping test_openapi_document, which needs fastapi: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs fastapi: {error}") from error

FILE = {"type": "string", "format": "binary"}
NEWER_FILE = {"type": "string", "contentMediaType": "application/octet-stream"}
TEXT = {"type": "string"}


def form(name: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"post": {"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": schema}}}}}


class OpenapiDocumentTest(unittest.TestCase):
    def test_a_form_with_a_file_is_multipart(self) -> None:
        kinds = {"file": FILE, "newer_file": NEWER_FILE, "text": TEXT}
        models = {kind: {"properties": {"model": TEXT, "it": schema}} for kind, schema in kinds.items()}
        document = {
            "paths": {**{f"/{kind}": form(kind) for kind in kinds}, "/none": {"get": {}}},
            "components": {"schemas": models},
        }
        expected = copy.deepcopy(document)
        application = FastAPI()
        application.openapi_schema = document
        openapi_document.install(application)
        for _ in range(2):
            paths = application.openapi()["paths"]
            for kind in ("file", "newer_file"):
                self.assertEqual(list(paths[f"/{kind}"]["post"]["requestBody"]["content"]), ["multipart/form-data"])
            for path in ("/text", "/none"):
                self.assertEqual(paths[path], expected["paths"][path])

    def test_a_document_without_models_stays_as_it_is(self) -> None:
        document = FastAPI().openapi()
        self.assertEqual(openapi_document.with_multipart(copy.deepcopy(document)), document)
