#!/system/bin/sh
# The module is being removed, usually while the phone boots and nothing runs. Daemons and containers end. Configuration, journal, images and
# containers stay in /data/adb/socketd for the next installation, unless there is a file `remove-everything` in it.
MODDIR=${0%/*}
# shellcheck source-path=SCRIPTDIR source=places.sh
. "$MODDIR/places.sh"
BIN=$MODDIR/bin

for name in socketd bridge; do
    if pid=$(keeper "$name"); then
        kill "$pid"
        # It goes when its daemon has ended. One that does not end must not hold up the boot.
        seconds=0
        while [ -d "/proc/$pid" ] && [ "$seconds" -lt 15 ]; do
            sleep 1
            seconds=$((seconds + 1))
        done
    fi
done
# Our containers outlive the bridge, and nobody would be left to stop them. Those of Droidspaces are its own.
if [ -d "$STATE/bridge" ] && make_run; then
    "$BIN/socketd-bridge" down --state-dir "$STATE" --runtime=native >/dev/null 2>&1
fi
rm -rf "$RUN" "$STATE/run" "$LOG"
if [ -e "$PURGE" ]; then
    rm -rf "$DATA"
fi
exit 0
