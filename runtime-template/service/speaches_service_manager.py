"""The service manager of a speaches runtime. The launcher executes it in its own process.

`python -I -X utf8 service/speaches_service_manager.py serve`, with the settings in `SPEACHES_SERVICE_SETTINGS`.
"""

import os
import sys

# N.B. `-I` leaves the directory of the script out of `sys.path`.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from speaches_service.command import main

if __name__ == "__main__":
    main(sys.argv[1:])
