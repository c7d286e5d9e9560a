#!/usr/bin/env bash
# Everything that is installed, from a bare Debian machine to target/dist/ (SOCKETD_DIST names another folder): static
# programs for each architecture, manual pages, completions, the zip for phones, the Debian packages. Run as root; run
# again, it makes what has changed.
#
# Programs are built for Rust's musl targets, as rustup has them or gets them. Where it does not, by Debian's rustc-web, with
# Rust's library made of Debian's rust-web-src and the C library of Debian's musl-dev. (Debian has Rust's library for glibc
# alone, half a megabyte of which would be in every program.) SOCKETD_TOOLCHAIN=rustup or =debian takes the choice away.
#
# No armv7: of what confines the daemons, seccompiler knows no processor of 32 bits.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
exec </dev/null

architectures=(x86_64 aarch64)
programs=(socketd socketd-bridge socketd-fleet)
dist=${SOCKETD_DIST:-$PWD/target/dist}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)

# The most bytes of each: what a phone has room for, and half as much again of the bridge where code is longer.
# The fleet's has a coordinator in it, with its database and its gRPC.
declare -A program_bytes_max=(
    [aarch64/socketd]=$((6 << 20)) [aarch64/socketd-bridge]=$((2 << 20)) [aarch64/socketd-fleet]=$((9 << 20))
    [x86_64/socketd]=$((6 << 20)) [x86_64/socketd-bridge]=$((3 << 20)) [x86_64/socketd-fleet]=$((10 << 20))
)
zip_bytes_max=$((5 << 20))
# Seconds that rustup may try to reach its server.
rustup_seconds_max=60

step() { printf '\n== %s (after %s s)\n' "$*" "$SECONDS"; }
fail() {
    echo "packaging/build.sh: $*" >&2
    exit 1
}

# The name Debian has for an architecture.
debian_name() {
    case $1 in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) fail "no architecture $1" ;;
    esac
}

# The C compiler for an architecture: ring has some C in it, and rustc links with it.
compiler() {
    [ "$1" = "$(uname -m)" ] && echo cc || echo "$1-linux-gnu-gcc"
}

# Installs those of the packages that are not there.
need() {
    local package lacking=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed' || lacking+=("$package")
    done
    [ ${#lacking[@]} -eq 0 ] && return
    echo "installing ${lacking[*]}"
    apt-get -q update
    DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${lacking[@]}"
}

# Whether rustup has, or gets, the target of every architecture.
rustup_has_targets() {
    local architecture target
    command -v rustup >/dev/null || return 1
    for architecture in "${architectures[@]}"; do
        target=$architecture-unknown-linux-musl
        rustup target list --installed | grep -qx "$target" && continue
        timeout "$rustup_seconds_max" rustup target add "$target" || return 1
    done
}

choose_toolchain() {
    toolchain=${SOCKETD_TOOLCHAIN:-}
    case $toolchain in
    rustup) rustup_has_targets || fail "rustup does not get the musl targets" ;;
    debian) ;;
    "") if rustup_has_targets; then toolchain=rustup; else toolchain=debian; fi ;;
    *) fail "SOCKETD_TOOLCHAIN is rustup or debian, not $toolchain" ;;
    esac
    echo "$toolchain"
}

install_compilers() {
    local architecture name
    need ca-certificates gcc libc6-dev binutils zip xz-utils
    command -v cargo >/dev/null || need cargo-web rustc-web
    [ "$toolchain" = rustup ] || need rustc-web rust-web-src
    for architecture in "${architectures[@]}"; do
        name=$(debian_name "$architecture")
        [ "$architecture" = "$(uname -m)" ] || need "gcc-${architecture//_/-}-linux-gnu" "libc6-dev-$name-cross"
        [ "$toolchain" = debian ] || continue
        [ "$name" = "$(dpkg --print-architecture)" ] || dpkg --add-architecture "$name"
        need "musl-dev:$name"
    done
}

# Makes what stands in for the library that unwinds, and prints where it lies.
unwinder() {
    local folder=$PWD/target/dist-$toolchain/native/$1
    mkdir -p "$folder"
    "$(compiler "$1")" -Os -fPIC -c packaging/no_unwinding.c -o "$folder/no_unwinding.o"
    ar crD "$folder/libunwind.a" "$folder/no_unwinding.o"
    echo "$folder"
}

# Arguments of rustc for an architecture.
rust_flags() {
    local option options link=() crt=(crt1.o crtbegin.o crtend.o) musl=/usr/lib/$1-linux-musl
    # Whoever built it, and where, is of no concern to a user.
    options="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=crates --remap-path-prefix=$PWD=socketd"
    options+=" -L native=$(unwinder "$1")"
    link=("-Wl,-T$PWD/packaging/no_unwinding.ld" "-Wl,--no-eh-frame-hdr")
    if [ "$toolchain" = debian ]; then
        # Rust makes programs for x86_64 that may lie anywhere in memory.
        [ "$1" = x86_64 ] && crt=(rcrt1.o crtbeginS.o crtendS.o)
        options+=" -C link-self-contained=no -L native=$musl"
        link+=(-nostartfiles "$musl/${crt[0]}" "$musl/crti.o" "$("$(compiler "$1")" -print-file-name="${crt[1]}")"
            -l:libc.a "$("$(compiler "$1")" -print-file-name="${crt[2]}")" "$musl/crtn.o")
    fi
    for option in "${link[@]}"; do options+=" -C link-arg=$option"; done
    echo "$options"
}

# The programs for every architecture, in one go, so that links of one run beside the compilation of another.
compile() (
    local architecture variable arguments=()
    export CARGO_TARGET_DIR=$PWD/target/dist-$toolchain CARGO_INCREMENTAL=0
    if [ "$toolchain" = debian ]; then
        export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
        arguments+=("-Z" "build-std=std,panic_abort" "-Z" "build-std-features=optimize_for_size")
    fi
    for architecture in "${architectures[@]}"; do
        variable=${architecture}_unknown_linux_musl
        arguments+=(--target "$architecture-unknown-linux-musl")
        export "CC_$variable=$(compiler "$architecture")"
        variable=CARGO_TARGET_${variable^^}
        export "${variable}_LINKER=$(compiler "$architecture")" "${variable}_RUSTFLAGS=$(rust_flags "$architecture")"
    done
    cargo build --locked --profile dist "${arguments[@]}" -p socketd -p socketd-bridge -p socketd-fleet --bins
    for architecture in "${architectures[@]}"; do
        lay "$architecture" "$CARGO_TARGET_DIR/$architecture-unknown-linux-musl/dist"
    done
)

# Puts the programs of an architecture in their place, those that are new.
lay() {
    local program
    mkdir -p "$dist/$1"
    for program in "${programs[@]}"; do
        cmp -s "$2/$program" "$dist/$1/$program" || install -m 0755 "$2/$program" "$dist/$1/$program"
    done
}

# They run where there is no other file: no interpreter, no name service's modules.
check_programs() {
    local name file bytes
    for name in "${!program_bytes_max[@]}"; do
        file=$dist/$name
        readelf -lW "$file" | grep -q INTERP && fail "$name asks for an interpreter"
        grep -q nsswitch.conf "$file" && fail "$name looks up names as glibc does, by modules it does not have"
        bytes=$(stat -c %s "$file")
        [ "$bytes" -le "${program_bytes_max[$name]}" ] ||
            fail "$name has $bytes bytes, and may have ${program_bytes_max[$name]}"
    done
}

# SOCKETD_PAGES: the program that writes them, where somebody has built it already.
write_pages() {
    local pages=${SOCKETD_PAGES:-target/debug/pages}
    rm -rf "$dist/share"
    # Of the whole workspace, for then cargo makes nothing again that a build of it has made.
    [ -n "${SOCKETD_PAGES:-}" ] || cargo build --locked --workspace --bin pages --target-dir target
    "$pages" "$dist/share"
}

pack() {
    local architecture name zip=$dist/socketd-$version.zip
    rm -f "$dist"/socketd-*.zip "$dist"/socketd*.deb
    packaging/magisk/pack.sh "$dist" "$zip"
    [ "$(stat -c %s "$zip")" -le "$zip_bytes_max" ] || fail "$zip has more than $zip_bytes_max bytes"
    for architecture in "${architectures[@]}"; do
        name=$(debian_name "$architecture")
        packaging/debian/pack.sh "$dist" "$name" "$dist/socketd_${version}_$name.deb"
        packaging/debian/pack-fleet.sh "$dist" "$name" "$dist/socketd-fleet_${version}_$name.deb"
    done
}

report() {
    step "$dist, in bytes"
    (cd "$dist" && stat -c '%9s %n' ./*/socketd* ./socketd[-_]*)
}

[ "$(id -u)" = 0 ] || fail "run it as root, for it installs what this machine lacks"
step "toolchain"
choose_toolchain
step "compilers"
install_compilers
step "programs"
compile
check_programs
step "manual pages and completions"
write_pages
step "packages"
pack
report
