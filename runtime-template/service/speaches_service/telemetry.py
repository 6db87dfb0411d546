"""Imports OpenTelemetry's SDK and exporters, which import gRPC, only if an endpoint to export to is set."""

import os
from types import ModuleType

from speaches_service.deferred_imports import placeholder

ENDPOINT_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
_EXPORTERS = "opentelemetry.exporter.otlp.proto.grpc"
_SDK = "opentelemetry.sdk"
# The names that upstream imports. Upstream calls OpenTelemetry's API for every span, which does nothing without an SDK.
_NAMES = {
    f"{_EXPORTERS}._log_exporter": ("OTLPLogExporter",),
    f"{_EXPORTERS}.metric_exporter": ("OTLPMetricExporter",),
    f"{_EXPORTERS}.trace_exporter": ("OTLPSpanExporter",),
    f"{_SDK}._logs": ("LoggerProvider", "LoggingHandler"),
    f"{_SDK}._logs.export": ("BatchLogRecordProcessor",),
    f"{_SDK}.metrics": ("MeterProvider",),
    f"{_SDK}.metrics.export": ("PeriodicExportingMetricReader",),
    f"{_SDK}.resources": ("SERVICE_NAME", "Resource"),
    f"{_SDK}.trace": ("TracerProvider",),
    f"{_SDK}.trace.export": ("BatchSpanProcessor",),
}


def placeholders() -> dict[str, ModuleType]:
    # In any case of letters, as upstream's pydantic-settings reads it.
    if any(name.upper() == ENDPOINT_VARIABLE and value for name, value in os.environ.items()):
        return {}
    return {module: placeholder(module, **dict.fromkeys(names)) for module, names in _NAMES.items()}
