#!/bin/sh
# packaging/magisk/pack.sh DIST OUT.zip: makes the zip that Magisk, KernelSU and APatch flash.
#
# DIST holds x86_64/ and aarch64/ (one is enough), each with socketd and socketd-bridge. The same files give the same bytes. The
# version is that of Cargo.toml; SOCKETD_VERSION gives another, SOCKETD_ZIP_LEVEL (1 to 9) less work. Needs zip and xz: programs
# of a machine are in an archive of their own, a third smaller than zip makes them.
set -eu

if [ $# -ne 2 ]; then
    echo "usage: pack.sh DIST OUT.zip" >&2
    exit 2
fi
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
dist=$(CDPATH='' cd -- "$1" && pwd)
out_folder=$(CDPATH='' cd -- "$(dirname -- "$2")" && pwd)
out=$out_folder/$(basename -- "$2")
# The time of every file in it: 2024-01-01, unless the builder has one.
epoch=${SOURCE_DATE_EPOCH:-1704067200}

version=${SOCKETD_VERSION:-$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/../../Cargo.toml" | head -n 1)}
# 1.2.3 is 10203: later versions have higher codes.
code=$(echo "$version" | awk -F '[.+-]' '{ print $1 * 10000 + $2 * 100 + $3 }')

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT INT TERM
cp -R "$here/module/." "$stage"
cp "$here/../../LICENSE" "$stage/LICENSE"
sed -e "s/@VERSION@/$version/" -e "s/@VERSION_CODE@/$code/" "$here/module/module.prop" >"$stage/module.prop"
machines=0
for machine in x86_64 aarch64; do
    if [ -d "$dist/$machine" ]; then
        mkdir -p "$stage/bin"
        for program in socketd socketd-bridge; do
            if [ ! -f "$dist/$machine/$program" ]; then
                echo "$dist/$machine has no $program" >&2
                exit 1
            fi
        done
        # The dictionary bounds what a phone needs to unpack it, and every small decoder knows this checksum.
        tar -C "$dist/$machine" --format=ustar --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --mode=0755 \
            -cf - socketd socketd-bridge | xz -T1 --check=crc32 "--lzma2=preset=${SOCKETD_ZIP_LEVEL:-9e},dict=8MiB" >"$stage/bin/$machine.tar.xz"
        machines=$((machines + 1))
    fi
done
if [ "$machines" -eq 0 ]; then
    echo "$dist has neither x86_64/ nor aarch64/" >&2
    exit 1
fi

find "$stage" -type f -exec chmod 0644 {} +
chmod 0755 "$stage/META-INF/com/google/android/update-binary"
find "$stage" -type f -exec touch -d "@$epoch" {} +
rm -f "$out"
cd "$stage"
# No folders, no extra fields, one order.
find . -type f | sed 's|^\./||' | LC_ALL=C sort | TZ=UTC zip -q "-${SOCKETD_ZIP_LEVEL:-9}" -X "$out" -@
