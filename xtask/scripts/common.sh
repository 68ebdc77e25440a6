# What ./quickstart and ./run-tests share: to be sourced by bash in the repository's root.

# Where cargo builds.
target=${CARGO_TARGET_DIR:-target}
# The oldest Rust that the sources are written for.
rust_minor=$(sed -n 's/^rust-version = "1\.\([0-9]*\)".*/\1/p' Cargo.toml)

say() { printf '\n== %s\n' "$*"; }
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "root is needed for \`$*\`: run it as root, or install sudo"
    fi
}

# need_space GIB: ends unless the disk that cargo builds on has so much, counting what earlier builds there take.
need_space() {
    local folder=$target free used=0
    if [ -d "$target" ]; then used=$(du -sm "$target" | cut -f 1); else folder=.; fi
    free=$(df -Pm "$folder" | awk 'NR == 2 { print $4 }')
    [ $((free + used)) -ge $(($1 * 1024)) ] ||
        die "the disk of $(pwd) has $((free / 1024)) GiB free, and a build takes $1 GiB: free some, or set CARGO_TARGET_DIR to a folder on a larger disk"
}

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

# The packages of these that are not there.
missing_packages() {
    local package
    for package in "$@"; do
        installed "$package" || printf '%s ' "$package"
    done
}

# Installs those of these Debian packages that are missing, and says which.
need_packages() {
    local missing
    command -v apt-get >/dev/null ||
        die "this script installs packages by apt-get, which is not here: it is for Debian and Ubuntu"
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    echo "Installing by apt-get: $missing"
    as_root apt-get update -q
    # shellcheck disable=SC2086 # words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
}

cargo_is_new_enough() {
    local minor
    minor=$(cargo --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
    [ -n "$minor" ] && [ "$minor" -ge "$rust_minor" ]
}

# A cargo that can build this: the one that is there, or rustup's. rustup comes from apt where there is a package of it, from
# its own site otherwise; it installs into the home directory.
need_cargo() {
    PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    if cargo_is_new_enough; then
        return 0
    fi
    if ! command -v rustup >/dev/null; then
        if apt-cache show rustup >/dev/null 2>&1; then
            need_packages rustup
        else
            need_packages curl
            echo "Installing rustup from https://sh.rustup.rs, since apt has no package of it"
            curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
                sh -s -- -y --no-modify-path --profile minimal --default-toolchain none ||
                die "rustup cannot be installed: install Rust 1.$rust_minor or newer (https://rustup.rs), then run this again"
        fi
    fi
    echo "Installing the stable Rust toolchain by rustup (into ${RUSTUP_HOME:-$HOME/.rustup})"
    rustup toolchain install stable --profile minimal --component rustfmt --component clippy
    export RUSTUP_TOOLCHAIN=stable
    # An older cargo may come first in the path.
    if ! cargo_is_new_enough; then
        PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
        hash -r
    fi
    cargo_is_new_enough || die "Rust 1.$rust_minor or newer is needed; \`cargo --version\` says: $(cargo --version 2>&1)"
}

# Kernels and initial file systems from Debian's packages, whatever this system is.
make_guests() {
    local mirror=()
    if ! grep -qx 'ID=debian' /etc/os-release; then
        mirror=(--mirror http://deb.debian.org/debian)
    fi
    "$target/release/xtask" guests target/guests "${mirror[@]}" "$@"
}
