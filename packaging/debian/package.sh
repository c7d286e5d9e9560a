# What makes Debian packages, read by the scripts that make one: `begin "$@"`, then `put` and the rest, then `finish`.
#
# The programs come from DIST: x86_64/ (ARCH amd64) or aarch64/ (arm64), and share/, where man pages and completions were
# made. It takes dpkg-deb and gzip, no network, and no root. The same input gives the same bytes.
# shellcheck shell=sh
# shellcheck disable=SC2034 # scripts that read this use what it sets

# begin DIST ARCH OUT.deb [VERSION]: makes the tree that is packed.
begin() {
    if [ $# -lt 3 ] || [ $# -gt 4 ]; then
        echo "usage: $0 DIST amd64|arm64 OUT.deb [VERSION]" >&2
        exit 2
    fi
    dist=$1 arch=$2 out=$3
    here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
    version=${4:-$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/../../Cargo.toml" | head -n 1)}
    case $arch in
    amd64) programs=$dist/x86_64 ;;
    arm64) programs=$dist/aarch64 ;;
    *)
        echo "$0: no programs are built for $arch" >&2
        exit 2
        ;;
    esac
    umask 022
    export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1704067200}"
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT
    chmod 0755 "$tree"
}

# put MODE FILE PLACE
put() {
    install -D -m "$1" "$2" "$tree/$3"
}

# put_pages PROGRAM...: manual pages of these programs, and their completions.
put_pages() {
    for program; do
        for page in "$dist/share/man/man1/$program"*.1; do
            [ -f "$page" ] || continue
            # socketd's own are not those of socketd-bridge.
            is_of "$program" "$(basename "$page" .1)" || continue
            mkdir -p "$tree/usr/share/man/man1"
            gzip -9nc "$page" >"$tree/usr/share/man/man1/$(basename "$page").gz"
        done
        # bash looks for a file that is called as the command is.
        put_completion "bash/$program.bash" "usr/share/bash-completion/completions/$program"
        put_completion "zsh/_$program" "usr/share/zsh/vendor-completions/_$program"
        put_completion "fish/$program.fish" "usr/share/fish/vendor_completions.d/$program.fish"
    done
}

# Whether the page $2 is about the program $1.
is_of() {
    case $2 in
    socketd-bridge* | socketd-fleet*) [ "$1" != socketd ] ;;
    esac
}

put_completion() {
    [ ! -f "$dist/share/completions/$1" ] || put 0644 "$dist/share/completions/$1" "$2"
}

# put_papers PACKAGE FOLDER: who may do what with it, and what changed.
put_papers() {
    put 0644 "$here/copyright" "usr/share/doc/$1/copyright"
    put 0644 "$here/../../CHANGELOG.md" "usr/share/doc/$1/CHANGELOG.md"
    gzip -9nc >"$tree/usr/share/doc/$1/changelog.gz" <<CHANGES
$1 ($version) unstable; urgency=medium

  * CHANGELOG.md beside this file says what is new.

 -- $(sed -n 's/^Maintainer: //p' "$2/control")  $(LC_ALL=C date -R -u -d "@$SOURCE_DATE_EPOCH")
CHANGES
}

# finish FOLDER PROGRAM DEPENDS: with the control file and the scripts of FOLDER. Programs for release are static; where
# the loader is named at the beginning of PROGRAM, they need the C library.
finish() {
    depends=$3
    if head -c 4096 "$tree/$2" | LC_ALL=C grep -aq ld-linux; then
        depends="libc6, libgcc-s1, $depends"
    fi
    mkdir "$tree/DEBIAN"
    (cd "$tree" && find etc -type f | sort | sed 's,^,/,') >"$tree/DEBIAN/conffiles"
    for script in postinst prerm postrm; do
        install -m 0755 "$1/$script" "$tree/DEBIAN/$script"
    done
    (cd "$tree" && find usr -type f | sort | xargs md5sum) >"$tree/DEBIAN/md5sums"
    size=$(du -k -s --apparent-size --exclude=DEBIAN "$tree" | cut -f 1)
    sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@DEPENDS@/$depends/" -e "s/@SIZE@/$size/" \
        "$1/control" >"$tree/DEBIAN/control"
    find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    dpkg-deb --root-owner-group "-Z${DPKG_DEB_COMPRESSOR_TYPE:-xz}" --build "$tree" "$out" >/dev/null
}
