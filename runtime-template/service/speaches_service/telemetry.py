"""OpenTelemetry's exporters, which bring gRPC: imported when an endpoint is set to which they could export."""

import os
from types import ModuleType

from speaches_service.deferred_imports import placeholder

ENDPOINT_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
_EXPORTERS = {
    "opentelemetry.exporter.otlp.proto.grpc._log_exporter": "OTLPLogExporter",
    "opentelemetry.exporter.otlp.proto.grpc.metric_exporter": "OTLPMetricExporter",
    "opentelemetry.exporter.otlp.proto.grpc.trace_exporter": "OTLPSpanExporter",
}


def placeholders() -> dict[str, ModuleType]:
    """What upstream has to find while it is imported."""
    # As upstream reads it: pydantic-settings does not tell `a` from `A`.
    if any(name.upper() == ENDPOINT_VARIABLE and value for name, value in os.environ.items()):
        return {}
    return {module: placeholder(module, **{name: None}) for module, name in _EXPORTERS.items()}
