"""Describes the CPython that runs this, as one JSON object on standard output."""

import importlib
import json
import os
import pprint
import re
import site
import sys
import sysconfig


def neutral_build_variables() -> "dict[str, str]":
    """The text of `_sysconfigdata*.py` without the directories in which CPython was built and installed.

    Only compiling extension modules needs those, and a runtime does not compile.
    """
    name = getattr(sysconfig, "_get_sysconfigdata_name", lambda: None)()
    if name is None:
        return {}
    try:
        variables = importlib.import_module(name).build_time_vars
    except ImportError:
        return {}
    places = {
        sys.base_prefix: "/install",
        sys.base_exec_prefix: "/install",
        str(variables.get("abs_builddir", "")): "/build",
        str(variables.get("abs_srcdir", "")): "/build",
        str(variables.get("HOME", os.path.expanduser("~"))): "/home",
    }

    def neutral(value: object) -> object:
        if not isinstance(value, str):
            return value
        for place, replacement in places.items():
            # `/usr` and the like say nothing about a machine.
            if place.count("/") > 1:
                value = value.replace(place, replacement)
        return re.sub(r"-f[a-z]+-prefix-map=\S+", "", value)

    neutralised = {key: neutral(value) for key, value in variables.items()}
    return {name + ".py": "build_time_vars = " + pprint.pformat(neutralised, width=110) + "\n"}


def finds_site_packages() -> bool:
    """Whether this CPython looks for packages where every other does; Debian's looks into `dist-packages`."""
    directories = site.getsitepackages([sys.base_prefix])
    return any(os.path.basename(directory) == "site-packages" for directory in directories)


config = sysconfig.get_config_var
shared = bool(config("Py_ENABLE_SHARED"))
print(
    json.dumps(
        {
            "implementation": sys.implementation.name,
            "version": "%d.%d.%d" % sys.version_info[:3],
            "build": sys.version,
            "free_threaded": bool(config("Py_GIL_DISABLED")),
            "framework": config("PYTHONFRAMEWORK") or "",
            "executable": os.path.realpath(getattr(sys, "_base_executable", sys.executable)),
            "base_prefix": sys.base_prefix,
            "standard_library": os.path.realpath(sysconfig.get_path("platstdlib")),
            "pure_library": os.path.realpath(sysconfig.get_path("stdlib")),
            "extensions": config("DESTSHARED") or "",
            "library": os.path.join(config("LIBDIR") or "", config("INSTSONAME") or "") if shared else "",
            "finds_site_packages": finds_site_packages(),
            "build_variables": neutral_build_variables(),
        }
    )
)
