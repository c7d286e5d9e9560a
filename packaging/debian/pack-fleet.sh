#!/bin/sh
# Makes the Debian package of socketd-fleet, of a program that is built: pack-fleet.sh DIST ARCH OUT.deb [VERSION]
set -eu
# shellcheck source=packaging/debian/package.sh
. "$(dirname -- "$0")/package.sh"

begin "$@"
put 0755 "$programs/socketd-fleet" usr/bin/socketd-fleet
for service in coordinator hawser node; do
    put 0644 "$here/../systemd/socketd-$service.service" "usr/lib/systemd/system/socketd-$service.service"
    put 0644 "$here/fleet/$service.env" "etc/socketd-fleet/$service.env"
done
# Keys and tokens go there, which systemd lends: it wants the folders, and they may be empty.
install -d -m 0700 "$tree/etc/socketd-fleet/coordinator" "$tree/etc/socketd-fleet/node"
put_pages socketd-fleet
put_papers socketd-fleet "$here/fleet"
finish "$here/fleet" usr/bin/socketd-fleet "init-system-helpers (>= 1.54)"
