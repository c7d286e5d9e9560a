#!/bin/sh
# Makes a Debian package of programs that are built: pack.sh DIST ARCH OUT.deb [VERSION]
#
# DIST has x86_64/ (ARCH amd64) or aarch64/ (arm64) with socketd and socketd-bridge; and share/, where man pages and
# completions were made. It takes dpkg-deb and gzip, no network, and no root. The same input gives the same bytes.
set -eu

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

put() {
    install -D -m "$1" "$2" "$tree/$3"
}

put 0755 "$programs/socketd" usr/bin/socketd
put 0755 "$programs/socketd-bridge" usr/bin/socketd-bridge
for unit in socketd.socket socketd.service socketd-bridge.service; do
    put 0644 "$here/../systemd/$unit" "usr/lib/systemd/system/$unit"
done
put 0644 "$here/../systemd/sysusers.conf" usr/lib/sysusers.d/socketd.conf
put 0644 "$here/../systemd/tmpfiles.conf" usr/lib/tmpfiles.d/socketd.conf
put 0755 "$here/init" etc/init.d/socketd
put 0644 "$here/logrotate" etc/logrotate.d/socketd
put 0644 "$here/socketd.toml" etc/socketd/socketd.toml
put 0644 "$here/bridge.toml" etc/socketd/bridge.toml
put 0644 "$here/copyright" usr/share/doc/socketd/copyright
put 0644 "$here/../../CHANGELOG.md" usr/share/doc/socketd/CHANGELOG.md
gzip -9nc >"$tree/usr/share/doc/socketd/changelog.gz" <<CHANGES
socketd ($version) unstable; urgency=medium

  * CHANGELOG.md beside this file says what is new.

 -- $(sed -n 's/^Maintainer: //p' "$here/control")  $(LC_ALL=C date -R -u -d "@$SOURCE_DATE_EPOCH")
CHANGES

for page in "$dist"/share/man/man1/*.1; do
    [ -f "$page" ] || continue
    mkdir -p "$tree/usr/share/man/man1"
    gzip -9nc "$page" >"$tree/usr/share/man/man1/$(basename "$page").gz"
done
completions() {
    for file in "$dist/share/completions/$1"/*; do
        [ -f "$file" ] || continue
        name=$(basename "$file")
        # bash looks for a file that is called as the command is.
        [ "$1" != bash ] || name=${name%.bash}
        put 0644 "$file" "$2/$name"
    done
}
completions bash usr/share/bash-completion/completions
completions zsh usr/share/zsh/vendor-completions
completions fish usr/share/fish/vendor_completions.d

# Programs for release are static. Where the loader is named at their beginning, they need the C library.
depends="init-system-helpers (>= 1.54), passwd"
if head -c 4096 "$tree/usr/bin/socketd" | LC_ALL=C grep -aq ld-linux; then
    depends="libc6, libgcc-s1, $depends"
fi

mkdir "$tree/DEBIAN"
(cd "$tree" && find etc -type f | sort | sed 's,^,/,') >"$tree/DEBIAN/conffiles"
for script in postinst prerm postrm; do
    install -m 0755 "$here/$script" "$tree/DEBIAN/$script"
done
(cd "$tree" && find usr -type f | sort | xargs md5sum) >"$tree/DEBIAN/md5sums"
size=$(du -k -s --apparent-size --exclude=DEBIAN "$tree" | cut -f 1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@DEPENDS@/$depends/" -e "s/@SIZE@/$size/" \
    "$here/control" >"$tree/DEBIAN/control"

find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group "-Z${DPKG_DEB_COMPRESSOR_TYPE:-xz}" --build "$tree" "$out" >/dev/null
