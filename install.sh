#!/bin/sh
# Installs speaches from a release: picks the bundle for this machine, checks it, and puts it beside older versions.
#
#     ROOT/VERSION/                 what a bundle unpacks to, named by its version and by its checksum
#     ROOT/current -> VERSION       the version that is used
#     ROOT/.history                 the versions that were used, the last one last
#     ROOT/.downloads/              what has been fetched so far, named by the checksum that it has to have
#     ROOT/.work.PID/, ROOT/.lock   of a run that is at work
#     ~/.local/bin/speaches         a link to ROOT/current/bin/speaches
#
# ROOT is $XDG_DATA_HOME/speaches, or ~/.local/share/speaches. A version becomes visible by one rename and is used after
# another. So a user who interrupts this at any moment has a working installation, and the next run finishes.
set -eu

# Where the release is that this script belongs to. The release workflow fills it in.
release=''

# The Python that is taken when there is a choice; that of `manifests/python.toml`.
default_python=3.10
# Bytes of a bundle become about so many times as much when they are unpacked.
growth=4
# How often a download is begun or resumed.
attempts=5

usage() {
    cat <<'END'
Usage: install.sh [OPTIONS]

Installs speaches for this user: the newest bundle for this machine from the release that this script belongs to.

  --from WHERE         take the bundle from this URL or directory instead; it has to have a SHA256SUMS
  --accelerator NAME   cpu, cuda or coreml [default: coreml on Apple Silicon, else cpu]
  --python VERSION     3.10 or 3.12 [default: 3.10, or what there is]
  --bundle NAME        the name of the bundle, where several fit
  --keep N             how many older versions stay [default: 1]
  --bin-dir DIR        where the link to the program goes [default: ~/.local/bin]
  --dry-run            say what would be done, and do nothing
  --list               print the versions that are installed
  --rollback           use the version that was used before
  --uninstall          remove all versions; the state of services and models stay
  --purge              --uninstall, and remove the state of services as well
  --help               print this
END
}

say() {
    printf '%s\n' "$*" >&2
}

# fail CODE MESSAGE [HINT]: the codes are those of docs/exit-codes.md.
fail() {
    say "error: $2"
    [ $# -lt 3 ] || say "hint: $3"
    exit "$1"
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# The first of some programs that is here.
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

# Bytes for people.
human() {
    awk -v bytes="$1" 'BEGIN {
        split("B kB MB GB TB", unit); i = 1
        while (bytes >= 1000 && i < 5) { bytes /= 1000; i++ }
        printf (i == 1 ? "%d %s" : "%.1f %s"), bytes, unit[i]
    }'
}

# ---------------------------------------------------------------------------------------------------- this machine

# Whether a version is as new as another one, both of the form 1.2.
at_least() {
    awk -v have="$1" -v need="$2" 'BEGIN {
        split(have, h, "."); split(need, n, ".")
        exit !(h[1] + 0 > n[1] + 0 || (h[1] + 0 == n[1] + 0 && h[2] + 0 >= n[2] + 0))
    }'
}

look_at_machine() {
    system=$(uname -s)
    processor=$(uname -m)
    # A program for Intel that Rosetta translates is told so by `uname`.
    if [ "$system" = Darwin ] && [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]; then
        processor=arm64
    fi
    case $processor in
    x86_64 | amd64) processor=x86_64 ;;
    arm64 | aarch64) processor=aarch64 ;;
    *) fail 69 "there is no bundle for this processor: $processor" ;;
    esac
    default_accelerator=cpu
    case $system in
    Linux)
        target=$processor-unknown-linux-gnu
        [ "$(getconf LONG_BIT 2>/dev/null || echo 64)" = 64 ] ||
            fail 69 "this system has 32 bits, and there is no bundle for it"
        glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | awk '{ print $2 }') || glibc=
        [ -n "$glibc" ] || glibc=$(ldd --version 2>/dev/null | awk 'NR == 1 && /GLIBC|GNU libc/ { print $NF }') || glibc=
        [ -n "$glibc" ] || fail 69 "this Linux has no glibc (Alpine has musl, for one), and the wheels of Python need it" \
            "use a container of a distribution with glibc"
        at_least "$glibc" 2.28 || fail 69 "glibc 2.28 or newer is needed, and here is $glibc"
        ;;
    Darwin)
        target=$processor-apple-darwin
        [ "$processor" = x86_64 ] || default_accelerator=coreml
        macos=$(sw_vers -productVersion)
        at_least "$macos" 13.0 || fail 69 "macOS 13 or newer is needed, and here is $macos"
        ;;
    MINGW* | MSYS* | CYGWIN* | Windows*)
        fail 69 "this script is for Linux and macOS" "for Windows take the .zip of the release: docs/quick-start.md"
        ;;
    *) fail 69 "there is no bundle for this system: $system" ;;
    esac
}

# Wheels for Python 3.12 on Apple Silicon are made for macOS 14.
check_python_for_machine() {
    if [ "$target" = aarch64-apple-darwin ] && [ "$1" != 3.10 ] && ! at_least "$macos" 14.0; then
        fail 69 "with Python $1 macOS 14 or newer is needed, and here is $macos" "--python 3.10"
    fi
}

# The pids of the processes that run programs of a directory.
processes_of() {
    if [ -e /proc/self/exe ]; then
        # Those of other users cannot be looked at, which `ls` says by failing.
        { ls -l /proc/[0-9]*/exe 2>/dev/null || true; } | grep -F " -> $1/" | sed 's|.*/proc/\([0-9]*\)/exe -> .*|\1|'
    else
        { ps -A -o pid= -o args= || true; } | grep -F " $1/" | grep -vF "grep -F" | awk '{ print $1 }'
    fi
}

one_line() {
    tr '\n' ' ' | sed 's/ *$//'
}

# ---------------------------------------------------------------------------------------------------- what is fetched

set_source() {
    [ -n "$from" ] || from=$release
    [ -n "$from" ] || fail 64 "this copy of install.sh belongs to no release, so it does not know where bundles are" \
        "take the install.sh of a release, or say where bundles are: --from URL_OR_DIRECTORY"
    from=${from%/}
    case $from in
    http://127.0.0.1[:/]* | http://localhost[:/]* | https://*) is_remote=yes ;;
    http://*)
        is_remote=yes
        say "warning: $from is not https, so anyone between can change bundle and checksums alike"
        ;;
    *://*) fail 64 "\`--from $from\`: only https, http and directories are understood" ;;
    *)
        is_remote=
        [ -d "$from" ] || fail 66 "\`--from $from\`: there is no such directory"
        from=$(CDPATH='' cd -- "$from" && pwd)
        ;;
    esac
    if [ -n "$is_remote" ]; then
        downloader=$(first_of curl wget)
        [ -n "$downloader" ] || fail 69 "neither curl nor wget is here" "install one of them"
    fi
    hasher=$(first_of sha256sum shasum openssl)
    [ -n "$hasher" ] || fail 69 "there is no sha256sum, shasum or openssl to check downloads with" "install coreutils"
}

# The sha256 of a file.
digest_of() {
    case $hasher in
    sha256sum) sha256sum <"$1" ;;
    shasum) shasum -a 256 <"$1" ;;
    openssl) openssl dgst -sha256 -r <"$1" ;;
    esac | cut -c 1-64
}

# One attempt: what is there of the file is kept, and only the rest is asked for. Sets `status` to that of HTTP, where it
# is told, and to `no-ranges` where a server gives no parts.
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
        # That of busybox has other options, and a timeout makes it crash in some versions.
        case $(wget --version 2>/dev/null) in
        *GNU*) wget -q "$bar" -t 1 -T 30 -c -O "$2" "$1" ;;
        *) wget -q -c -O "$2" "$1" ;;
        esac
        ;;
    esac
}

# fetch NAME FILE [SHA256]: gets a file of the release whole, or fails. The checksum decides, where there is one: what was
# on the way when a run was killed may be whole, or mixed with what its last child went on writing.
fetch() {
    attempt=1
    while :; do
        resumed=
        [ ! -s "$2" ] || resumed=yes
        if download "$from/$1" "$2"; then arrived=yes; else arrived=; fi
        if [ -n "$arrived" ] && [ -z "${3:-}" ]; then return; fi
        case $status in
        401 | 403 | 404 | 410) fail 69 "cannot download $from/$1: HTTP status $status" "is that the address of a release?" ;;
        # There is nothing behind what is here already, or no way to ask for it.
        416 | no-ranges) whole=yes ;;
        *) whole=$arrived ;;
        esac
        if [ -n "$whole" ]; then
            if [ -n "${3:-}" ] && [ -s "$2" ] && [ "$(digest_of "$2")" = "$3" ]; then return; fi
            rm -f "$2"
            [ -n "$resumed" ] || fail 65 "$1 is not what its checksum says, and was removed" \
                "try again; if it stays so, the release is damaged: please report it"
        fi
        [ "$attempt" -lt "$attempts" ] || fail 69 "cannot download $from/$1" \
            "run this again when the network is better: it goes on where it was"
        sleep "$attempt"
        attempt=$((attempt + 1))
        say "again: $1 ($attempt of $attempts)"
    done
}

# The size of a file of the release in bytes, or nothing.
size_of() {
    if [ -z "$is_remote" ]; then
        wc -c <"$from/$1" 2>/dev/null | tr -d ' '
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

# ---------------------------------------------------------------------------------------------------- which bundle

get_checksums() {
    sums=$work/SHA256SUMS
    if [ -n "$is_remote" ]; then
        fetch SHA256SUMS "$sums"
    else
        cp "$from/SHA256SUMS" "$sums" 2>/dev/null || fail 66 "there is no SHA256SUMS in $from"
    fi
    # A page of a proxy that wants a login, say.
    if [ ! -s "$sums" ] || grep -Eqv '^[0-9a-f]{64}  [A-Za-z0-9_][A-Za-z0-9._+-]*$' "$sums"; then
        fail 65 "what is at $from/SHA256SUMS is not a list of checksums"
    fi
}

# The bundles in the list with one of the formats, once each, without what follows the name. Large ones are in parts.
bundles() {
    sed -n 's/^.\{66\}//; s/\.part[0-9]*$//; s/\.tar\.'"$1"'$//p' "$sums" | sort -u
}

# The bundles for this machine with one of the formats.
fitting_bundles() {
    bundles "$1" | grep -E -e "-py[0-9.]+-$target-$accelerator\$" || true
}

# zstd if it can be unpacked here, else gzip, if the release has it.
choose_format() {
    has tar || fail 69 "there is no tar to unpack with" "install it"
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
            fail 69 "bundles are compressed with zstd, and there is none to unpack them with" \
                "install it: apt install zstd, dnf install zstd, pacman -S zstd, brew install zstd"
        fi
    fi
}

choose_bundle() {
    [ -n "$accelerator" ] || accelerator=$default_accelerator
    choose_format
    fitting=$(fitting_bundles "$format")
    if [ -n "$bundle" ]; then
        printf '%s\n' "$fitting" | grep -Fqx -e "$bundle" || fail 64 "\`--bundle $bundle\`: there is none of that name for this machine" \
            "these are there: $(printf '%s' "$fitting" | one_line)"
        fitting=$bundle
    fi
    [ -n "$fitting" ] || fail 69 "there is no bundle for $target with $accelerator at $from" \
        "these are there: $(bundles "$format" | one_line)"
    if [ -n "$python" ]; then
        of_python=$(printf '%s\n' "$fitting" | grep -F -e "-py$python-" || true)
        [ -n "$of_python" ] || fail 69 "there is no bundle with Python $python" "these are there: $(printf '%s' "$fitting" | one_line)"
    else
        of_python=$(printf '%s\n' "$fitting" | grep -F -e "-py$default_python-" || true)
    fi
    [ -z "$of_python" ] || fitting=$of_python
    case $fitting in
    *"
"*) fail 64 "several bundles fit" "name one with --bundle: $(printf '%s' "$fitting" | one_line)" ;;
    esac
    bundle=$fitting
    chosen_python=${bundle##*-py}
    chosen_python=${chosen_python%%-*}
    check_python_for_machine "$chosen_python"
    if [ "$accelerator" = cpu ] && [ "$target" = x86_64-unknown-linux-gnu ] && has nvidia-smi; then
        say "note: this machine seems to have an NVIDIA GPU; --accelerator cuda takes the bundle that uses it"
    fi

    # The file, or its parts in order: lines of checksum and name.
    files=$work/files
    grep -F "  $bundle.tar.$format" "$sums" | awk -v whole="$bundle.tar.$format" \
        '$2 == whole || (index($2, whole ".part") == 1 && substr($2, length(whole) + 6) ~ /^[0-9]+$/)' |
        LC_ALL=C sort -k 2 >"$files"
    if [ "$(awk 'END { print NR }' "$files")" = 1 ]; then
        identity=$(cut -c 1-8 "$files")
    else
        identity=$(digest_of "$files" | cut -c 1-8)
    fi
    # Without what is the same for all of a machine: paths are limited, and some are long.
    version=${bundle%"-$target-$accelerator"}
    version=${version#speaches-}-$accelerator-$identity
}

# ---------------------------------------------------------------------------------------------------- the lock

# Whether a process is there, also one of another user.
is_alive() {
    kill -0 "$1" 2>/dev/null || ps -p "$1" >/dev/null 2>&1
}

# A symbolic link is made in one step and has a text, so that no other run ever sees a lock without an owner.
# N.B. two runs that find the lock of a killed run may both take it when a third comes within the same instant. Every
# file has a name of its own until its rename, so that even then no run uses half a file.
lock() {
    mine=$(uname -n):$$
    waited='' refused=0
    until ln -s "$mine" "$root/.lock" 2>/dev/null; do
        owner=$(readlink "$root/.lock" 2>/dev/null || true)
        if [ -z "$owner" ]; then
            # It has just been given back, or cannot be made at all.
            refused=$((refused + 1))
            [ "$refused" -lt 100 ] || fail 73 "$root cannot be written" \
                "is the disk full, or another user's? XDG_DATA_HOME can be another directory"
            continue
        fi
        if [ "${owner%:*}" = "${mine%:*}" ] && ! is_alive "${owner##*:}"; then
            # This moves the lock that was just read, unless another run was faster.
            if mv "$root/.lock" "$root/.lock.$$" 2>/dev/null; then
                moved=$(readlink "$root/.lock.$$" || true)
                [ "$moved" = "$owner" ] || ln -s "$moved" "$root/.lock" 2>/dev/null || true
                rm -f "$root/.lock.$$"
            fi
            continue
        fi
        [ -n "$waited" ] || say "waiting for another install.sh that is at work here: ${owner##*:} on ${owner%:*}" \
            "(if it is gone, remove $root/.lock)"
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

# The directory of all versions, where this run is alone from now on.
enter() {
    mkdir -p "$root" 2>/dev/null || fail 73 "the directory $root cannot be made" "set XDG_DATA_HOME to a directory of yours"
    # As the programs in it are seen by the system.
    root=$(CDPATH='' cd -- "$root" && pwd -P)
    lock
    # What killed runs left. Their children may still write there, which is over at the next run.
    rm -rf "$root"/.work.* "$root"/.removed.* "$root"/.link.* 2>/dev/null || true
    work=$root/.work.$$
    mkdir "$work" "$work/unpacked" || fail 73 "$root cannot be written"
}

# ---------------------------------------------------------------------------------------------------- versions

is_version() {
    [ -f "$1/runtime.json" ] && [ -x "$1/bin/speaches" ]
}

# The names of the versions that are installed.
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

# Makes a symbolic link in one step, in the place of another one. `mv` follows a link to a directory, and what keeps it
# from that has another name on each system.
set_link() {
    new=$work/link
    rm -f "$new"
    ln -s "$1" "$new"
    mv -fT "$new" "$2" 2>/dev/null || mv -fh "$new" "$2" 2>/dev/null ||
        perl -e 'rename($ARGV[0], $ARGV[1]) or exit 1' "$new" "$2" 2>/dev/null ||
        { rm -f "$2" && mv -f "$new" "$2"; } || fail 73 "the link $2 cannot be made"
}

# activate VERSION: it is used from now on.
activate() {
    set_link "$1" "$root/current"
    { grep -Fvx -e "$1" "$root/.history" 2>/dev/null || true; } >"$work/history"
    echo "$1" >>"$work/history"
    mv -f "$work/history" "$root/.history"
}

# A version disappears in one step, so that none is ever there in half.
remove_version() {
    mv "$root/$1" "$root/.removed.$$"
    rm -rf "$root/.removed.$$"
}

# Older versions go, but those that were used last and those that run stay.
prune() {
    now=$(current)
    awk '{ line[NR] = $0 } END { for (i = NR; i > 0; i--) print line[i] }' "$root/.history" | while IFS= read -r old; do
        if [ "$old" != "$now" ] && is_version "$root/$old"; then echo "$old"; fi
    done | awk -v keep="$keep" 'NR <= keep + 0' >"$work/kept"
    versions | while IFS= read -r old; do
        if [ "$old" = "$now" ] || grep -Fqx -e "$old" "$work/kept"; then continue; fi
        pids=$(processes_of "$root/$old" | one_line)
        if [ -n "$pids" ]; then
            say "$old stays: it runs (pid $pids)"
        else
            say "removing $old"
            remove_version "$old"
        fi
    done
}

# Sets `start`, what the program is started with.
link_program() {
    start=speaches
    program=$bin_dir/speaches
    if [ -e "$program" ] || [ -L "$program" ]; then
        case $(readlink "$program" 2>/dev/null || true) in
        "$root"/*) ;;
        *)
            start=$root/current/bin/speaches
            say "warning: $program is not of this installation, so it stays"
            return
            ;;
        esac
    fi
    if ! mkdir -p "$bin_dir" 2>/dev/null || [ ! -w "$bin_dir" ]; then
        start=$root/current/bin/speaches
        say "warning: $bin_dir cannot be written"
        return
    fi
    set_link "$root/current/bin/speaches" "$program"
    case :$PATH: in
    *:"$bin_dir":*) ;;
    *)
        start=$program
        say "note: $bin_dir is not in your PATH; add it, or start $program"
        ;;
    esac
}

# A service keeps the files that it was started with.
tell_running() {
    versions | while IFS= read -r old; do
        [ "$old" != "$(current)" ] || continue
        pids=$(processes_of "$root/$old" | one_line)
        [ -z "$pids" ] || say "a service of $old still runs (pid $pids): \`speaches stop\` and \`speaches serve\` change to the new one"
    done
}

# ---------------------------------------------------------------------------------------------------- actions

# check_space BYTES: what is there already counts as well.
check_space() {
    free=$(df -Pk "$root" 2>/dev/null | awk 'NR == 2 { print $4 }')
    is_number "$free" || return 0
    if awk -v need="$1" -v free="$free" 'BEGIN { exit !(need > free * 1024) }'; then
        fail 73 "about $(human "$1") are needed in $root, and $(human "$(awk -v kib="$free" 'BEGIN { printf "%.0f", kib * 1024 }')") are free" \
            "make room, or set XDG_DATA_HOME to another disk"
    fi
}

# The bytes that are still needed: what is fetched, and what that unpacks to.
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
            if [ -s "$file" ]; then say "going on with $name"; else say "fetching $name"; fi
            fetch "$name" "$file" "$sum"
        else
            file=$from/$name
            [ -f "$file" ] || fail 66 "$name is not in $from"
            [ "$(digest_of "$file")" = "$sum" ] || fail 65 "$file is not what its checksum says" \
                "it is damaged, or is not of this release; fetch it again"
        fi
        printf '%s\n' "$file" >>"$work/paths"
    done 3<"$files"
}

# All of them, one after the other.
contents() {
    while IFS= read -r path; do cat -- "$path" || return 1; done <"$work/paths"
}

decompressed() {
    case $unpacker in
    # What was made with a large window is refused otherwise.
    zstd) contents | zstd -dcq --long=31 ;;
    gzip) contents | gzip -dc ;;
    tar) contents ;;
    esac || : >"$work/failed"
}

unpack() {
    say "unpacking"
    decompressed | tar -xof - -C "$work/unpacked" || : >"$work/failed"
    [ ! -e "$work/failed" ] || fail 74 "the bundle could not be unpacked to $root" "is the disk full?"
    unpacked=$work/unpacked/$bundle
    if [ "$(ls -A "$work/unpacked")" != "$bundle" ] || ! is_version "$unpacked"; then
        fail 65 "the bundle is not what it has to be: a runtime in a directory named $bundle"
    fi
    "$unpacked/bin/speaches" version >"$work/version" 2>&1 || fail 69 "what was unpacked does not start on this machine:
$(cat "$work/version")" "nothing was changed; please report this with the output of \`uname -a\`"
    # The launcher needs less of a system than the interpreter. What else is in the way is not for the installer to judge.
    "$unpacked/bin/speaches" doctor >"$work/doctor" 2>&1 || true
    ! grep -q '^FAIL  *python ' "$work/doctor" || fail 69 "the Python of the bundle does not start on this machine:
$(sed -n '/^FAIL  *python /,/^[a-z]/ { /^ok /!p; }' "$work/doctor")" "nothing was changed; please report this with the output of \`uname -a\`"
}

# macOS remembers of what a browser fetched that it did, and refuses to start it.
tell_quarantine() {
    [ "$system" = Darwin ] && has xattr || return 0
    while IFS= read -r path; do
        if xattr -p com.apple.quarantine "$path" >/dev/null 2>&1; then
            say "note: ${path##*/} was fetched by a browser. Its checksum is right; if macOS refuses to start speaches all the same:
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
        say "$version is installed already"
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
    # Only now: an interrupted run needs them.
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
        say "         is installed already"
    elif [ -n "$space" ]; then
        say "size:    $(human "${space% *}"), unpacked about $growth times as much"
    fi
    say "into:    $root/$version"
    say "used by: $root/current, $bin_dir/speaches"
    echo "$root/$version"
}

list() {
    now=$(current)
    versions | while IFS= read -r name; do
        [ "$name" = "$now" ] && mark='*' || mark=' '
        pids=$(processes_of "$root/$name" | one_line)
        echo "$mark $name${pids:+ (runs: pid $pids)}"
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
    [ -n "$target_version" ] || fail 69 "there is no older version to go back to"
    # What was left is not what the next one goes back to.
    mv -f "$work/older" "$root/.history"
    activate "$target_version"
    link_program
    tell_running
    say "back at $target_version"
    echo "$root/$target_version"
}

uninstall() {
    [ -d "$root" ] || {
        say "nothing is installed in $root"
        return
    }
    enter
    pids=$(processes_of "$root" | one_line)
    [ -z "$pids" ] || fail 75 "a service of this installation runs (pid $pids)" "stop it first: speaches stop"
    case $(readlink "$bin_dir/speaches" 2>/dev/null || true) in
    "$root"/*) rm -f "$bin_dir/speaches" ;;
    esac
    rm -f "$root/current"
    versions | while IFS= read -r old; do remove_version "$old"; done
    rm -rf "$root/.downloads" "$root/.history"
    finish
    work='' locked=''
    rmdir "$root" 2>/dev/null || say "note: $root has other files, which stay"
    say "removed all versions"
    if [ -n "$purge" ]; then
        case "${XDG_STATE_HOME:-} $(uname -s)" in
        /*) state=$XDG_STATE_HOME/speaches ;;
        *Darwin) state="$HOME/Library/Application Support/speaches" ;;
        *) state=$HOME/.local/state/speaches ;;
        esac
        rm -rf "$state"
        say "removed $state"
    fi
    say "models stay in the Hugging Face cache, which other programs use too"
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
            [ -n "${1:-}" ] || fail 64 "\`$option\` needs a value" "install.sh --help"
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
        *) fail 64 "\`$option\` is unknown" "install.sh --help" ;;
        esac
    done
    is_number "$keep" || fail 64 "\`--keep $keep\` is not a number"
    case $accelerator in
    '' | cpu | cuda | coreml) ;;
    *) fail 64 "\`--accelerator $accelerator\`: there are cpu, cuda and coreml" ;;
    esac
    case $python in
    *[!0-9.]*) fail 64 "\`--python $python\` is not a version" ;;
    esac
    case ${HOME:-} in
    /*) ;;
    *) fail 78 "HOME is not set" ;;
    esac
    # A relative path there has to be ignored, says the specification of these directories.
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

# Last, so that a script which did not arrive whole does nothing.
main "$@"
