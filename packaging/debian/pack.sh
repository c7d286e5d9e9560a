#!/bin/sh
# Makes the Debian package of both daemons, of programs that are built: pack.sh DIST ARCH OUT.deb [VERSION]
set -eu
# shellcheck source=packaging/debian/package.sh
. "$(dirname -- "$0")/package.sh"

begin "$@"
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
put_pages socketd socketd-bridge
put_papers socketd "$here"
finish "$here" usr/bin/socketd "init-system-helpers (>= 1.54), passwd"
