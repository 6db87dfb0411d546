"""Runs upstream's own tests on the speaches of a runtime.

usage: PYTHON tests/upstream/run.py RUNTIME TESTING [pytest arguments …]

PYTHON is the runtime's, TESTING a directory with pytest and its plugins. The working directory is a checkout of
speaches, ported for a Python that needs it. `docs/porting.md` has the whole command.
"""

import os
import sys

runtime, testing, *arguments = sys.argv[1:]
sys.path.insert(0, os.path.join(runtime, "service"))
# Behind the runtime's own packages: what is tested are the versions that it has.
sys.path.append(testing)

# As the service manager imports it: a runtime without diarization has no torch that upstream could import.
from speaches_service.upstream import import_upstream  # noqa: E402

import_upstream()

import pytest  # noqa: E402

sys.exit(pytest.main(arguments))
