#!/bin/bash
# In place of the start.sh of Open WebUI's own image: the same server out of the Python package.
export FROM_INIT_PY=true HF_HUB_OFFLINE=1
exec python3 -m uvicorn open_webui.main:app --host "${HOST:-0.0.0.0}" --port "${PORT:-8080}" --forwarded-allow-ips '*'
