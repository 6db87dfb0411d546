#!/bin/sh
# Harbor's way into native speaches: `speaches_native.sh speaches serve` becomes the launcher of a runtime.
set -eu

# Written by `speaches harbor install`: the launcher that it was run with. Where releases are installed this is a link
# to the newest one, so an upgrade needs no change here.
installed=''

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
for launcher in \
    "${SPEACHES_LAUNCHER:-}" \
    "$installed" \
    "${XDG_DATA_HOME:-${HOME:-}/.local/share}/speaches/current/bin/speaches" \
    "$here/../../bin/speaches"
do
    if [ -n "$launcher" ] && [ -x "$launcher" ]; then
        # Harbor names the executable first.
        if [ "${1:-}" = speaches ]; then shift; fi
        if [ "$#" -eq 0 ]; then set -- serve; fi
        exec "$launcher" "$@"
    fi
done
echo "error: there is no runtime of speaches at \`${installed:-$here/../..}\` any more" >&2
echo "hint: run \`bin/speaches harbor install\` of the runtime that Harbor should use" >&2
exit 69
