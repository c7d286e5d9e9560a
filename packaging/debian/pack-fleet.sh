#!/bin/sh
# Makes the Debian package of socketd-fleet, of a program that is built: pack-fleet.sh DIST ARCH OUT.deb [VERSION]
set -eu
# shellcheck source=packaging/debian/package.sh
. "$(dirname -- "$0")/package.sh"

begin "$@"
put 0755 "$programs/socketd-fleet" usr/bin/socketd-fleet
put 0644 "$here/../systemd/socketd-hawser.service" usr/lib/systemd/system/socketd-hawser.service
put 0644 "$here/fleet/hawser.env" etc/socketd-fleet/hawser.env
put_pages socketd-fleet
put_papers socketd-fleet "$here/fleet"
finish "$here/fleet" usr/bin/socketd-fleet "init-system-helpers (>= 1.54)"
