# Functions for .ci/run: steps with their times, virtual environments, Debian packages.

summary=()
current=""
began=0

# step TITLE FUNCTION: a heading, the function, its wall time.
step() {
    current=$1
    began=$SECONDS
    printf '\n======== %s\n' "$current"
    "$2"
    took=$((SECONDS - began))
    printf -- '-------- %s: %d s\n' "$current" "$took"
    summary+=("$(printf '%5d s  %s' "$took" "$current")")
    current=""
}

# skip WHY: this machine cannot have the tool; shown here and in the summary.
skip() {
    printf 'SKIPPED: %s\n' "$1"
    summary+=("SKIPPED  $1")
}

# finish STATUS: what ran, how long it took, and where it stopped.
finish() {
    rm -rf "$work"
    printf '\n======== summary\n'
    ((${#summary[@]} == 0)) || printf '%s\n' "${summary[@]}"
    [[ -z $current ]] || printf '%5d s  %s: STOPPED HERE, exit status %d\n' $((SECONDS - began)) "$current" "$1"
    printf '%5d s  in all\n' "$SECONDS"
}

# retry COMMAND...: up to three tries, for the network's sake.
retry() {
    local try
    for try in 1 2 3; do
        if "$@"; then return 0; fi
        printf 'try %d of 3 failed: %s\n' "$try" "$*" >&2
        sleep $((try * 5))
    done
    return 1
}

as_root() {
    if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi
}

# can_install: whether this machine lets us add Debian packages.
can_install() {
    command -v apt-get >/dev/null && as_root true 2>/dev/null
}

apt_updated=""
# install PACKAGE...: from Debian; an error where the machine could have them and did not get them.
install() {
    if [[ -z $apt_updated ]]; then
        retry as_root apt-get update -qq
        apt_updated=yes
    fi
    retry as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$work/apt.log" 2>&1 ||
        { tail -20 "$work/apt.log"; return 1; }
    printf 'installed: %s\n' "$*"
}

# emulator ARCHITECTURE: the name of QEMU's user-mode emulator, which Debian spells in two ways.
emulator() {
    command -v "qemu-$1-static" || command -v "qemu-$1"
}

# environment NAME: a fresh virtual environment, made and entered.
environment() {
    python3 -m venv "$work/$1"
    # shellcheck disable=SC1091
    source "$work/$1/bin/activate"
}

# requirements EXTRA: what an optional dependency group of pyproject.toml asks for, one a line.
requirements() {
    python - "$1" <<'PY'
import sys

try:
    import tomllib
except ImportError:  # Python 3.10: pip carries a copy
    from pip._vendor import tomli as tomllib
with open("pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["project"]["optional-dependencies"][sys.argv[1]], sep="\n")
PY
}
