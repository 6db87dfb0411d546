#!/bin/sh
# Installs speaches from a release: picks the bundle for this machine, verifies it, and unpacks it beside older versions.
#
#     ROOT/VERSION/                 an unpacked bundle, named by its version and its checksum
#     ROOT/current -> VERSION       the version in use
#     ROOT/.history                 the versions that were in use, newest last
#     ROOT/.downloads/              complete and partial downloads, named by their expected checksums
#     ROOT/.work.PID/, ROOT/.lock   the files of a running install.sh
#     ~/.local/bin/speaches         a link to ROOT/current/bin/speaches
#
# ROOT is $XDG_DATA_HOME/speaches, or ~/.local/share/speaches. One rename makes a new version visible, and another rename
# makes it the current version. So you can interrupt this script at any time: the installed version keeps working, and
# the next run resumes.
set -eu

# The address of the release that this script belongs to. The release workflow fills it in.
release=''

# The preferred Python if several bundles fit: the default of `manifests/python.toml`.
default_python=3.10
# The size of an unpacked bundle is about this multiple of the size of its archive.
growth=4
# The number of attempts for each download.
attempts=5

usage() {
    cat <<'END'
Usage: install.sh [OPTIONS]

Installs speaches for this user: downloads the bundle for this machine, verifies its checksum and unpacks it.

  --from WHERE         URL or directory with bundles and SHA256SUMS [default: the release of this script]
  --accelerator NAME   cpu, cuda or coreml [default: coreml on Apple Silicon, else cpu]
  --python VERSION     3.10 or 3.12 [default: 3.10 if available]
  --bundle NAME        name of the bundle, if several fit this machine
  --keep N             number of older versions to keep [default: 1]
  --bin-dir DIR        directory for the link to the program [default: ~/.local/bin]
  --dry-run            print what would be installed, and install nothing
  --list               print the installed versions
  --rollback           return to the previous version
  --uninstall          remove all versions, but keep models and the state of services
  --purge              remove all versions, and the state and cache of services; keep models
  --help               print this help
END
}

say() {
    printf '%s\n' "$*" >&2
}

# fail CODE MESSAGE [HINT]: reports an error and exits. docs/exit-codes.md explains the codes.
fail() {
    say "error: $2"
    [ $# -lt 3 ] || say "hint: $3"
    exit "$1"
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# Prints the first of the given programs that is installed.
first_of() {
    for candidate; do
        if has "$candidate"; then
            echo "$candidate"
            return
        fi
    done
}

is_number() {
    case $1 in
    '' | *[!0-9]* | ??????????*) return 1 ;;
    esac
}

# Prints a number of bytes with a unit.
human() {
    awk -v bytes="$1" 'BEGIN {
        split("B kB MB GB TB", unit); i = 1
        while (bytes >= 1000 && i < 5) { bytes /= 1000; i++ }
        printf (i == 1 ? "%d %s" : "%.1f %s"), bytes, unit[i]
    }'
}

# ---------------------------------------------------------------------------------------------------- this machine

# Whether the first version is at least the second; both have the form 1.2.
at_least() {
    awk -v have="$1" -v need="$2" 'BEGIN {
        split(have, h, "."); split(need, n, ".")
        exit !(h[1] + 0 > n[1] + 0 || (h[1] + 0 == n[1] + 0 && h[2] + 0 >= n[2] + 0))
    }'
}

look_at_machine() {
    system=$(uname -s)
    processor=$(uname -m)
    # Under Rosetta, `uname` reports an Intel processor.
    if [ "$system" = Darwin ] && [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]; then
        processor=arm64
    fi
    case $processor in
    x86_64 | amd64) processor=x86_64 ;;
    arm64 | aarch64) processor=aarch64 ;;
    *) fail 69 "unsupported processor: $processor" "bundles exist for x86_64 and aarch64" ;;
    esac
    default_accelerator=cpu
    case $system in
    Linux)
        target=$processor-unknown-linux-gnu
        [ "$(getconf LONG_BIT 2>/dev/null || echo 64)" = 64 ] ||
            fail 69 "this is a 32-bit system, and all bundles are for 64-bit systems"
        glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | awk '{ print $2 }') || glibc=
        [ -n "$glibc" ] || glibc=$(ldd --version 2>/dev/null | awk 'NR == 1 && /GLIBC|GNU libc/ { print $NF }') || glibc=
        [ -n "$glibc" ] || fail 69 "this Linux has no glibc (Alpine Linux has musl instead), and the bundles need it" \
            "install speaches in a container of a distribution with glibc 2.28 or newer"
        at_least "$glibc" 2.28 || fail 69 "glibc $glibc is too old: the bundles need glibc 2.28 or newer" \
            "update the distribution, or install speaches in a container of a newer one"
        ;;
    Darwin)
        target=$processor-apple-darwin
        [ "$processor" = x86_64 ] || default_accelerator=coreml
        macos=$(sw_vers -productVersion)
        at_least "$macos" 13.0 || fail 69 "macOS $macos is too old: the bundles need macOS 13 or newer"
        ;;
    MINGW* | MSYS* | CYGWIN* | Windows*)
        fail 69 "install.sh runs on Linux and macOS only" "on Windows, unpack the .zip of the release: docs/quick-start.md"
        ;;
    *) fail 69 "unsupported system: $system" "bundles exist for Linux, macOS and Windows" ;;
    esac
}

# The wheels for Python 3.12 on Apple Silicon need macOS 14.
check_python_for_machine() {
    if [ "$target" = aarch64-apple-darwin ] && [ "$1" != 3.10 ] && ! at_least "$macos" 14.0; then
        fail 69 "macOS $macos is too old: the bundle with Python $1 needs macOS 14 or newer" \
            "install the bundle with Python 3.10: --python 3.10"
    fi
}

# Prints the pids of the processes whose programs are in a directory.
processes_of() {
    if [ -e /proc/self/exe ]; then
        # `ls` fails for the processes of other users.
        { ls -l /proc/[0-9]*/exe 2>/dev/null || true; } | grep -F " -> $1/" | sed 's|.*/proc/\([0-9]*\)/exe -> .*|\1|'
    else
        { ps -A -o pid= -o args= || true; } | grep -F " $1/" | grep -vF "grep -F" | awk '{ print $1 }'
    fi
}

one_line() {
    tr '\n' ' ' | sed 's/ *$//'
}

# ---------------------------------------------------------------------------------------------------- downloads

set_source() {
    [ -n "$from" ] || from=$release
    [ -n "$from" ] || fail 64 "this install.sh comes from no release, so it has no address of bundles" \
        "use the install.sh of a release, or name a URL or a directory: --from WHERE"
    from=${from%/}
    case $from in
    http://127.0.0.1[:/]* | http://localhost[:/]* | https://*) is_remote=yes ;;
    http://*)
        is_remote=yes
        say "warning: $from does not use https: an attacker on the network can replace the bundle and its checksum"
        ;;
    *://*) fail 64 "\`--from $from\`: unsupported protocol" "use an https or http URL, or a directory" ;;
    *)
        is_remote=
        [ -d "$from" ] || fail 66 "\`--from $from\`: no such directory" \
            "name a directory with a bundle and SHA256SUMS, or the https URL of a release"
        from=$(CDPATH='' cd -- "$from" && pwd)
        ;;
    esac
    if [ -n "$is_remote" ]; then
        downloader=$(first_of curl wget)
        [ -n "$downloader" ] || fail 69 "cannot download: neither curl nor wget is installed" "install curl or wget"
    fi
    hasher=$(first_of sha256sum shasum openssl)
    [ -n "$hasher" ] || fail 69 "cannot verify downloads: sha256sum, shasum and openssl are not installed" \
        "install coreutils or openssl"
}

# Prints the SHA-256 of a file.
digest_of() {
    case $hasher in
    sha256sum) sha256sum <"$1" ;;
    shasum) shasum -a 256 <"$1" ;;
    openssl) openssl dgst -sha256 -r <"$1" ;;
    esac | cut -c 1-64
}

# download URL FILE: one attempt. If FILE has a part of the download already, it requests only the rest. It sets `status`
# to the HTTP status if the downloader reports it, or to `no-ranges` if the server cannot resume.
download() {
    status=
    case $downloader in
    curl)
        if [ -t 2 ]; then bar=--progress-bar; else bar=--silent; fi
        status=$(curl "$bar" --show-error --fail --location --connect-timeout 20 --speed-limit 1 --speed-time 30 \
            --continue-at - --output "$2" --write-out '%{http_code}' "$1") || {
            [ $? -ne 33 ] || status=no-ranges
            return 1
        }
        ;;
    wget)
        if [ -t 2 ]; then bar=--show-progress; else bar=-nv; fi
        # The wget of busybox has other options, and some of its versions crash at a timeout.
        case $(wget --version 2>/dev/null) in
        *GNU*) wget -q "$bar" -t 1 -T 30 -c -O "$2" "$1" ;;
        *) wget -q -c -O "$2" "$1" ;;
        esac
        ;;
    esac
}

# fetch NAME FILE [SHA256]: downloads a complete file of the release, or fails. If there is a checksum, it decides: after
# a killed run, FILE may be complete, or a child of that run may have written to it meanwhile.
fetch() {
    attempt=1
    while :; do
        resumed=
        [ ! -s "$2" ] || resumed=yes
        if download "$from/$1" "$2"; then arrived=yes; else arrived=; fi
        if [ -n "$arrived" ] && [ -z "${3:-}" ]; then return; fi
        case $status in
        401 | 403 | 404 | 410)
            fail 69 "failed to download $from/$1: HTTP $status" "check that $from is the address of a release"
            ;;
        # The server has no further bytes, or cannot send only those.
        416 | no-ranges) whole=yes ;;
        *) whole=$arrived ;;
        esac
        if [ -n "$whole" ]; then
            if [ -n "${3:-}" ] && [ -s "$2" ] && [ "$(digest_of "$2")" = "$3" ]; then return; fi
            rm -f "$2"
            [ -n "$resumed" ] || fail 65 "$1 does not match its checksum and was removed" \
                "run install.sh again; if the error remains, the release is damaged: please report it"
        fi
        [ "$attempt" -lt "$attempts" ] || fail 69 "failed to download $from/$1 in $attempts attempts" \
            "check the network and run install.sh again; it resumes the download of the bundle"
        sleep "$attempt"
        attempt=$((attempt + 1))
        say "retrying $1 (attempt $attempt of $attempts)"
    done
}

# Prints the size of a file of the release in bytes, or nothing if it is unknown.
size_of() {
    if [ -z "$is_remote" ]; then
        { wc -c <"$from/$1"; } 2>/dev/null | tr -d ' '
    else
        case $downloader in
        curl) curl --silent --head --location --connect-timeout 20 --max-time 60 "$from/$1" ;;
        wget) wget -q -S --spider "$from/$1" 2>&1 ;;
        esac | tr -d '\r' | awk '
            $1 ~ /^HTTP\// { status = $2; size = "" }
            tolower($1) == "content-length:" { size = $2 }
            END { if (status == 200) print size }'
    fi || true
}

# ---------------------------------------------------------------------------------------------------- bundles

get_checksums() {
    sums=$work/SHA256SUMS
    if [ -n "$is_remote" ]; then
        fetch SHA256SUMS "$sums"
    else
        cp "$from/SHA256SUMS" "$sums" 2>/dev/null || fail 66 "cannot read $from/SHA256SUMS" \
            "download the SHA256SUMS of the release into that directory"
    fi
    # A proxy may answer with its login page, for example.
    if [ ! -s "$sums" ] || grep -Eqv '^[0-9a-f]{64}  [A-Za-z0-9_][A-Za-z0-9._+-]*$' "$sums"; then
        fail 65 "$from/SHA256SUMS is not a list of checksums" \
            "check that $from is a release; the login page of a network may have answered in its place"
    fi
}

# Prints the names of the bundles of a format, without extensions and numbers of parts. Large bundles are in parts.
bundles() {
    sed -n 's/^.\{66\}//; s/\.part[0-9]*$//; s/\.tar\.'"$1"'$//p' "$sums" | sort -u
}

# Prints the names of the bundles of a format that fit this machine.
fitting_bundles() {
    bundles "$1" | grep -E -e "-py[0-9.]+-$target-$accelerator\$" || true
}

# Chooses zstd if this machine can unpack it, else gzip if the release has it.
choose_format() {
    has tar || fail 69 "cannot unpack bundles: tar is not installed" "install tar"
    format=zst
    if has zstd; then
        unpacker=zstd
    elif tar --version 2>/dev/null | grep -q libzstd; then
        unpacker=tar
    else
        unpacker=
    fi
    if [ -z "$unpacker" ] || [ -z "$(fitting_bundles zst)" ]; then
        if [ -n "$(fitting_bundles gz)" ] && has gzip; then
            format=gz unpacker=gzip
        elif [ -z "$unpacker" ] && [ -n "$(fitting_bundles zst)" ]; then
            fail 69 "cannot unpack bundles: they are compressed with zstd, which is not installed" \
                "install zstd: apt install zstd, dnf install zstd, pacman -S zstd, or brew install zstd"
        fi
    fi
}

choose_bundle() {
    [ -n "$accelerator" ] || accelerator=$default_accelerator
    choose_format
    fitting=$(fitting_bundles "$format")
    if [ -n "$bundle" ]; then
        printf '%s\n' "$fitting" | grep -Fqx -e "$bundle" || fail 64 "\`--bundle $bundle\`: no such bundle for this machine" \
            "bundles for this machine: $(printf '%s' "$fitting" | one_line)"
        fitting=$bundle
    fi
    [ -n "$fitting" ] || fail 69 "$from has no bundle for $target with $accelerator" \
        "available bundles: $({ bundles zst; bundles gz; } | sort -u | one_line)"
    if [ -n "$python" ]; then
        of_python=$(printf '%s\n' "$fitting" | grep -F -e "-py$python-" || true)
        [ -n "$of_python" ] || fail 69 "$from has no bundle with Python $python for this machine" \
            "bundles for this machine: $(printf '%s' "$fitting" | one_line)"
    else
        of_python=$(printf '%s\n' "$fitting" | grep -F -e "-py$default_python-" || true)
    fi
    [ -z "$of_python" ] || fitting=$of_python
    case $fitting in
    *"
"*) fail 64 "several bundles fit this machine" "choose one with --bundle: $(printf '%s' "$fitting" | one_line)" ;;
    esac
    bundle=$fitting
    chosen_python=${bundle##*-py}
    chosen_python=${chosen_python%%-*}
    check_python_for_machine "$chosen_python"
    if [ "$accelerator" = cpu ] && [ "$target" = x86_64-unknown-linux-gnu ] && has nvidia-smi; then
        say "note: this machine seems to have an NVIDIA GPU; --accelerator cuda installs the bundle that uses it"
    fi

    # The archive, or its parts in order: lines of checksum and name.
    files=$work/files
    grep -F "  $bundle.tar.$format" "$sums" | awk -v whole="$bundle.tar.$format" \
        '$2 == whole || (index($2, whole ".part") == 1 && substr($2, length(whole) + 6) ~ /^[0-9]+$/)' |
        LC_ALL=C sort -k 2 >"$files"
    if [ "$(awk 'END { print NR }' "$files")" = 1 ]; then
        identity=$(cut -c 1-8 "$files")
    else
        identity=$(digest_of "$files" | cut -c 1-8)
    fi
    # All versions of a machine have the same target. It is left out, because paths have a maximum length and some are long.
    version=${bundle%"-$target-$accelerator"}
    version=${version#speaches-}-$accelerator-$identity
}

# ---------------------------------------------------------------------------------------------------- the lock

# Whether a process exists, also one of another user.
is_alive() {
    kill -0 "$1" 2>/dev/null || ps -p "$1" >/dev/null 2>&1
}

# `ln -s` creates the lock and names its owner in one step, so no other run sees a lock without an owner.
# N.B. two runs that find the lock of a killed run can both take it if a third run starts at the same instant. Until its
# rename, every file has a name of its own. So even then, no run uses an incomplete file.
lock() {
    mine=$(uname -n):$$
    waited='' refused=0
    until ln -s "$mine" "$root/.lock" 2>/dev/null; do
        owner=$(readlink "$root/.lock" 2>/dev/null || true)
        if [ -z "$owner" ]; then
            # Another run has just released the lock, or the lock cannot be created.
            refused=$((refused + 1))
            [ "$refused" -lt 100 ] || fail 73 "cannot write to $root" \
                "check its owner and the free space, or set XDG_DATA_HOME to another directory"
            continue
        fi
        if [ "${owner%:*}" = "${mine%:*}" ] && ! is_alive "${owner##*:}"; then
            # Move the lock of the dead run away. If another run has replaced the lock meanwhile, put the new lock back.
            if mv "$root/.lock" "$root/.lock.$$" 2>/dev/null; then
                moved=$(readlink "$root/.lock.$$" || true)
                [ "$moved" = "$owner" ] || ln -s "$moved" "$root/.lock" 2>/dev/null || true
                rm -f "$root/.lock.$$"
            fi
            continue
        fi
        [ -n "$waited" ] || say "waiting for another install.sh (pid ${owner##*:} on ${owner%:*});" \
            "if it no longer runs, remove $root/.lock"
        waited=yes
        sleep 1
    done
    locked=yes
}

work=
locked=

finish() {
    [ -z "$work" ] || rm -rf "$work" || true
    if [ -n "$locked" ] && [ "$(readlink "$root/.lock" 2>/dev/null || true)" = "$mine" ]; then
        rm -f "$root/.lock"
    fi
}

# Creates the directory of all versions and locks it.
enter() {
    mkdir -p "$root" 2>/dev/null || fail 73 "cannot create the directory $root" \
        "set XDG_DATA_HOME to a directory that you can write to"
    # The system reports programs by their physical paths.
    root=$(CDPATH='' cd -- "$root" && pwd -P)
    lock
    # Remove the leftovers of killed runs. If their children still write there, the next run removes the rest.
    rm -rf "$root"/.work.* "$root"/.removed.* "$root"/.link.* 2>/dev/null || true
    work=$root/.work.$$
    mkdir "$work" "$work/unpacked" || fail 73 "cannot write to $root" \
        "check its owner and the free space, or set XDG_DATA_HOME to another directory"
}

# ---------------------------------------------------------------------------------------------------- versions

is_version() {
    [ -f "$1/runtime.json" ] && [ -x "$1/bin/speaches" ]
}

# Prints the names of the installed versions.
versions() {
    for directory in "$root"/*; do
        if [ ! -L "$directory" ] && is_version "$directory"; then
            echo "${directory##*/}"
        fi
    done
}

current() {
    readlink "$root/current" 2>/dev/null || true
}

# set_link TARGET PATH: creates or replaces a symbolic link in one step. `mv` follows a link to a directory, and the option
# against that differs between systems.
set_link() {
    new=$work/link
    rm -f "$new"
    ln -s "$1" "$new"
    mv -fT "$new" "$2" 2>/dev/null || mv -fh "$new" "$2" 2>/dev/null ||
        perl -e 'rename($ARGV[0], $ARGV[1]) or exit 1' "$new" "$2" 2>/dev/null ||
        { rm -f "$2" && mv -f "$new" "$2"; } || fail 73 "cannot create the link $2" "check the owner of its directory"
}

# activate VERSION: makes it the current version.
activate() {
    set_link "$1" "$root/current"
    { grep -Fvx -e "$1" "$root/.history" 2>/dev/null || true; } >"$work/history"
    echo "$1" >>"$work/history"
    mv -f "$work/history" "$root/.history"
}

# A rename comes first, so that no incomplete version is ever visible.
remove_version() {
    mv "$root/$1" "$root/.removed.$$"
    rm -rf "$root/.removed.$$"
}

# Removes older versions, but keeps running versions and the last --keep versions in use.
prune() {
    now=$(current)
    awk '{ line[NR] = $0 } END { for (i = NR; i > 0; i--) print line[i] }' "$root/.history" | while IFS= read -r old; do
        if [ "$old" != "$now" ] && is_version "$root/$old"; then echo "$old"; fi
    done | awk -v keep="$keep" 'NR <= keep + 0' >"$work/kept"
    versions | while IFS= read -r old; do
        if [ "$old" = "$now" ] || grep -Fqx -e "$old" "$work/kept"; then continue; fi
        pids=$(processes_of "$root/$old" | one_line)
        if [ -n "$pids" ]; then
            say "keeping $old: it is running (pid $pids)"
        else
            say "removing $old"
            remove_version "$old"
        fi
    done
}

# Links the program into the directory for programs. Sets `start` to the command that starts it.
link_program() {
    start=speaches
    program=$bin_dir/speaches
    if [ -e "$program" ] || [ -L "$program" ]; then
        case $(readlink "$program" 2>/dev/null || true) in
        "$root"/*) ;;
        *)
            start=$root/current/bin/speaches
            say "warning: $program does not belong to this installation and was not replaced"
            return
            ;;
        esac
    fi
    if ! mkdir -p "$bin_dir" 2>/dev/null || [ ! -w "$bin_dir" ]; then
        start=$root/current/bin/speaches
        say "warning: cannot write to $bin_dir, so it has no link to speaches"
        return
    fi
    set_link "$root/current/bin/speaches" "$program"
    case :$PATH: in
    *:"$bin_dir":*) ;;
    *)
        start=$program
        say "note: $bin_dir is not in your PATH; add it, or run $program"
        ;;
    esac
}

# A running service keeps the files that it was started with.
tell_running() {
    versions | while IFS= read -r old; do
        [ "$old" != "$(current)" ] || continue
        pids=$(processes_of "$root/$old" | one_line)
        [ -z "$pids" ] || say "note: a service of $old is still running (pid $pids);" \
            "run \`speaches stop\` and \`speaches serve\` to change to $(current)"
    done
}

# ---------------------------------------------------------------------------------------------------- actions

# check_space BYTES: fails if the disk has fewer free bytes.
check_space() {
    free=$(df -Pk "$root" 2>/dev/null | awk 'NR == 2 { print $4 }')
    is_number "$free" || return 0
    if awk -v need="$1" -v free="$free" 'BEGIN { exit !(need > free * 1024) }'; then
        free=$(human "$(awk -v kib="$free" 'BEGIN { printf "%.0f", kib * 1024 }')")
        fail 73 "not enough space in $root: about $(human "$1") needed, $free free" \
            "free some space, or set XDG_DATA_HOME to a directory on another disk"
    fi
}

# Prints the size of the archive, and the bytes that the download and unpacking still need. Prints nothing if unknown.
space_needed() {
    total=0 there=0
    while read -r sum name; do
        size=$(size_of "$name")
        [ -n "$size" ] || return 0
        total=$(awk -v a="$total" -v b="$size" 'BEGIN { printf "%.0f", a + b }')
        if [ -n "$is_remote" ] && [ -f "$root/.downloads/$sum" ]; then
            there=$(awk -v a="$there" -v b="$(wc -c <"$root/.downloads/$sum")" 'BEGIN { printf "%.0f", a + b }')
        fi
    done <"$files"
    if [ -n "$is_remote" ]; then
        awk -v total="$total" -v there="$there" -v growth="$growth" 'BEGIN { printf "%.0f %.0f", total, total * (1 + growth) - there }'
    else
        awk -v total="$total" -v growth="$growth" 'BEGIN { printf "%.0f %.0f", total, total * growth }'
    fi
}

get_files() {
    : >"$work/paths"
    [ -z "$is_remote" ] || mkdir -p "$root/.downloads"
    while read -r sum name <&3; do
        if [ -n "$is_remote" ]; then
            file=$root/.downloads/$sum
            if [ -s "$file" ]; then say "resuming $name"; else say "downloading $name"; fi
            fetch "$name" "$file" "$sum"
        else
            file=$from/$name
            [ -f "$file" ] || fail 66 "$from has no $name" "download this file of the release into that directory"
            [ "$(digest_of "$file")" = "$sum" ] || fail 65 "$file does not match its checksum in SHA256SUMS" \
                "the file is damaged or belongs to another release; download it again"
        fi
        printf '%s\n' "$file" >>"$work/paths"
    done 3<"$files"
}

# Prints the contents of all files, one after the other.
contents() {
    while IFS= read -r path; do cat -- "$path" || return 1; done <"$work/paths"
}

decompressed() {
    case $unpacker in
    # Without --long, zstd refuses archives that were made with a large window.
    zstd) contents | zstd -dcq --long=31 ;;
    gzip) contents | gzip -dc ;;
    tar) contents ;;
    esac || : >"$work/failed"
}

unpack() {
    say "unpacking $bundle"
    decompressed | tar -xof - -C "$work/unpacked" || : >"$work/failed"
    [ ! -e "$work/failed" ] || fail 74 "failed to unpack the bundle to $root" "check the free space of the disk"
    unpacked=$work/unpacked/$bundle
    if [ "$(ls -A "$work/unpacked")" != "$bundle" ] || ! is_version "$unpacked"; then
        fail 65 "wrong contents of the bundle: expected only a runtime in a directory named $bundle" \
            "nothing was changed; please report this error"
    fi
    "$unpacked/bin/speaches" version >"$work/version" 2>&1 || fail 69 "the bundle's program does not start on this machine:
$(head -n 1 "$work/version")" \
        "nothing was changed; please report this error with the output of \`uname -a\`"
    # The interpreter needs more of a system than the launcher. The installer ignores other findings of `doctor`.
    "$unpacked/bin/speaches" doctor >"$work/doctor" 2>&1 || true
    ! grep -q '^FAIL  *python ' "$work/doctor" || fail 69 "the bundle's Python does not start on this machine:
$(sed -n 's/^FAIL  *python  *//p' "$work/doctor")" \
        "nothing was changed; please report this error with the output of \`uname -a\`"
}

# macOS quarantines files that were downloaded with a browser, and refuses to start them.
tell_quarantine() {
    [ "$system" = Darwin ] && has xattr || return 0
    while IFS= read -r path; do
        if xattr -p com.apple.quarantine "$path" >/dev/null 2>&1; then
            say "note: ${path##*/} was downloaded with a browser. If macOS refuses to start speaches, run
    xattr -dr com.apple.quarantine \"$root/$version\""
            return
        fi
    done <"$work/paths"
}

install() {
    look_at_machine
    set_source
    if [ -n "$dry_run" ]; then
        work=$(mktemp -d)
    else
        enter
    fi
    get_checksums
    choose_bundle
    if [ -n "$dry_run" ]; then
        describe
        return
    fi
    if is_version "$root/$version"; then
        say "$version is already installed"
    else
        space=$(space_needed)
        [ -z "$space" ] || check_space "${space#* }"
        get_files
        unpack
        mv "$unpacked" "$root/$version"
        tell_quarantine
        say "installed $version"
    fi
    activate "$version"
    link_program
    # Not earlier, because the run after an interrupted one resumes these downloads.
    rm -rf "$root/.downloads"
    prune
    tell_running
    say "start it with: $start serve"
    echo "$root/$version"
}

describe() {
    space=$(space_needed)
    say "bundle:  $bundle (from $from)"
    if is_version "$root/$version"; then
        say "         already installed"
    elif [ -n "$space" ]; then
        say "size:    $(human "${space% *}"), about $growth times as much when unpacked"
    fi
    say "path:    $root/$version"
    say "links:   $root/current, $bin_dir/speaches"
    echo "$root/$version"
}

list() {
    now=$(current)
    versions | while IFS= read -r name; do
        [ "$name" = "$now" ] && mark='*' || mark=' '
        pids=$(processes_of "$root/$name" | one_line)
        echo "$mark $name${pids:+ (running: pid $pids)}"
    done
}

rollback() {
    [ -d "$root" ] || fail 69 "nothing is installed in $root"
    enter
    now=$(current)
    { grep -Fvx -e "$now" "$root/.history" 2>/dev/null || true; } | while IFS= read -r old; do
        if is_version "$root/$old"; then echo "$old"; fi
    done >"$work/older"
    target_version=$(tail -n 1 "$work/older")
    [ -n "$target_version" ] || fail 69 "there is no older version to return to" "install.sh --list prints the versions"
    # The next rollback must not return to the version that this one leaves.
    mv -f "$work/older" "$root/.history"
    activate "$target_version"
    link_program
    tell_running
    say "returned to $target_version"
    echo "$root/$target_version"
}

uninstall() {
    [ -d "$root" ] || {
        say "nothing is installed in $root"
        return
    }
    enter
    # Every login would try to start what is not there any more.
    case $("$root/current/bin/speaches" service status --json </dev/null 2>/dev/null || true) in
    *'"this_runtime": true'*) "$root/current/bin/speaches" service uninstall </dev/null >&2 || say "note: it still starts at login" ;;
    esac
    pids=$(processes_of "$root" | one_line)
    [ -z "$pids" ] || fail 75 "cannot uninstall: a service of this installation is running (pid $pids)" \
        "stop it first: speaches stop"
    case $(readlink "$bin_dir/speaches" 2>/dev/null || true) in
    "$root"/*) rm -f "$bin_dir/speaches" ;;
    esac
    rm -f "$root/current"
    versions | while IFS= read -r old; do remove_version "$old"; done
    rm -rf "$root/.downloads" "$root/.history"
    finish
    work='' locked=''
    rmdir "$root" 2>/dev/null || say "note: kept $root, because it has other files"
    say "removed all versions"
    if [ -n "$purge" ]; then
        case "${XDG_STATE_HOME:-} $(uname -s)" in
        /*) state=$XDG_STATE_HOME/speaches ;;
        *Darwin) state="$HOME/Library/Application Support/speaches" ;;
        *) state=$HOME/.local/state/speaches ;;
        esac
        case "${XDG_CACHE_HOME:-} $(uname -s)" in
        /*) cache=$XDG_CACHE_HOME/speaches ;;
        *Darwin) cache=$HOME/Library/Caches/speaches ;;
        *) cache=$HOME/.cache/speaches ;;
        esac
        rm -rf "$state" "$cache"
        say "removed $state and $cache"
    fi
    say "kept the models in the Hugging Face cache, because other programs use it too"
}

# ---------------------------------------------------------------------------------------------------- the command line

main() {
    from='' accelerator='' python='' bundle='' keep=1 bin_dir='' dry_run='' purge='' action=install
    while [ $# -gt 0 ]; do
        option=$1
        shift
        case $option in
        --*=*)
            set -- "${option#*=}" "$@"
            option=${option%%=*}
            ;;
        esac
        case $option in
        --from | --accelerator | --python | --bundle | --keep | --bin-dir)
            [ -n "${1:-}" ] || fail 64 "\`$option\` needs a value" "install.sh --help lists all options"
            case $option in
            --from) from=$1 ;;
            --accelerator) accelerator=$1 ;;
            --python) python=$1 ;;
            --bundle) bundle=$1 ;;
            --keep) keep=$1 ;;
            --bin-dir) bin_dir=$1 ;;
            esac
            shift
            ;;
        --dry-run) dry_run=yes ;;
        --list) action=list ;;
        --rollback) action=rollback ;;
        --uninstall) action=uninstall ;;
        --purge) action=uninstall purge=yes ;;
        -h | --help)
            usage
            return
            ;;
        *) fail 64 "unknown option: \`$option\`" "install.sh --help lists all options" ;;
        esac
    done
    is_number "$keep" || fail 64 "\`--keep $keep\`: not a number" "for example: --keep 2"
    case $accelerator in
    '' | cpu | cuda | coreml) ;;
    *) fail 64 "\`--accelerator $accelerator\`: unknown accelerator" "choose cpu, cuda or coreml" ;;
    esac
    case $python in
    *[!0-9.]*) fail 64 "\`--python $python\`: not a version" "for example: --python $default_python" ;;
    esac
    case ${HOME:-} in
    /*) ;;
    *) fail 78 "HOME is not set to an absolute path" "set HOME to your home directory" ;;
    esac
    # The XDG Base Directory Specification demands to ignore relative paths.
    case ${XDG_DATA_HOME:-} in
    /*) root=$XDG_DATA_HOME/speaches ;;
    *) root=$HOME/.local/share/speaches ;;
    esac
    [ -n "$bin_dir" ] || bin_dir=$HOME/.local/bin
    if [ -d "$root" ]; then root=$(CDPATH='' cd -- "$root" && pwd -P); fi
    trap finish EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    "$action"
}

# On the last line, so that an incomplete script does nothing.
main "$@"
