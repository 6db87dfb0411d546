#!/usr/bin/env python3
"""Tests of a runtime with real weights. Figures are printed in tables; see README.md beside this file."""

import argparse
import importlib
import signal
import sys
import traceback
from pathlib import Path

import weights
from outcome import Missing, Outcome
from servers import Ended, Places

# Before the cases are loaded, so that nothing is written beside them.
sys.dont_write_bytecode = True

CASES = (
    "formats",
    "start",
    "derivation",
    "quality",
    "read_aloud",
    "inputs",
    "reported",
    "clients",
    "properties",
    "long_texts",
    "load",
)


def main() -> int:
    """Run the cases that are asked for."""
    arguments = _arguments()
    work = Path(arguments.work).absolute()
    work.mkdir(parents=True, exist_ok=True)
    cache = work / "hub"
    print(f"real weights: `{cache}`", flush=True)
    weights.make(cache)
    runtime = Path(arguments.runtime).absolute() if arguments.runtime else work / "runtime"
    if not (runtime / "runtime.json").exists():
        print(f"there is no runtime in `{runtime}`; make one, here or anywhere (`--runtime`):", file=sys.stderr)
        print(
            f"  cargo xtask provision --models {','.join(weights.ORDER)} --models-from {cache} --out {runtime}",
            file=sys.stderr,
        )
        return 69
    places = Places(
        work,
        runtime,
        cache,
        Path(arguments.upstream_python).absolute() if arguments.upstream_python else None,
        Path(arguments.upstream_source).absolute() if arguments.upstream_source else None,
    )
    outcomes = []
    for name in arguments.only:
        print(f"\n== {name}", flush=True)
        outcome = Outcome(name)
        outcomes.append(outcome)
        try:
            importlib.import_module(f"cases.{name}").run(places, outcome)
        except Missing as missing:
            outcome.lacks(str(missing))
        except Ended as ended:
            outcome.check(False, str(ended))
        except Exception as error:  # noqa: BLE001 - the other cases are run
            traceback.print_exc()
            outcome.check(False, f"the case could not go on: {type(error).__name__}: {error}")
        print(f"== {name}: {outcome.passed} held, {len(outcome.failed)} did not, {outcome.seconds:.0f} s", flush=True)
    return _finish(outcomes, arguments.allow_missing)


def _finish(outcomes: list[Outcome], allow_missing: bool) -> int:
    failed = [f"{outcome.case}: {what}" for outcome in outcomes for what in outcome.failed]
    missing = [f"{outcome.case}: {what}" for outcome in outcomes for what in outcome.not_run]
    print()
    for what in failed:
        print(f"FAILED {what}")
    for what in missing:
        print(f"NOT RUN {what}")
    print(f"{sum(outcome.passed for outcome in outcomes)} passed, {len(failed)} failed, {len(missing)} not run")
    return 1 if failed or (missing and not allow_missing) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", metavar="WORK", help="directory for the weights, state and logs; it is kept")
    parser.add_argument("--runtime", metavar="DIR", help="the runtime, with these weights [default: WORK/runtime]")
    parser.add_argument("--upstream-python", metavar="PATH", help="an interpreter with upstream installed")
    parser.add_argument("--upstream-source", metavar="DIR", help="upstream's checkout")
    parser.add_argument("--only", metavar="NAME,…", type=_names, default=CASES, help=f"of {', '.join(CASES)}")
    parser.add_argument("--allow-missing", action="store_true", help="do not fail for what could not be tried")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in CASES]:
        raise argparse.ArgumentTypeError(f"there is no case `{', '.join(unknown)}`; there are {', '.join(CASES)}")
    return names


if __name__ == "__main__":
    # Otherwise the servers and mounts of a case would outlive this program.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    sys.exit(main())
