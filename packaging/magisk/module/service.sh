#!/system/bin/sh
# Starts both daemons once the phone has booted, each with its keeper. Does nothing where they run already, so it can be called by
# hand: su -c 'sh /data/adb/modules/socketd/service.sh'
MODDIR=${0%/*}
# shellcheck source-path=SCRIPTDIR source=places.sh
. "$MODDIR/places.sh"

# Seconds to wait for the end of the boot: longer than any takes that ends well.
BOOT_SECONDS_MAX=120

# By then /data is decrypted and the network is set up. Nobody tells of it, so it is asked, once a second.
wait_for_boot() {
    seconds=0
    while [ "$(getprop sys.boot_completed)" != 1 ] && [ "$seconds" -lt "$BOOT_SECONDS_MAX" ]; do
        sleep 1
        seconds=$((seconds + 1))
    done
}

make_places && make_run || exit 1
# An image that brings its own service.
if [ -e /vendor/bin/socketd-bridge ]; then
    echo "/vendor/bin/socketd-bridge is there: init starts it, and this module does not" >"$LOG/service.log"
    exit 0
fi
wait_for_boot
for name in bridge socketd; do
    if ! keeper "$name" >/dev/null; then
        setsid sh "$MODDIR/keep.sh" "$name" </dev/null 2>&1 |
            setsid sh "$MODDIR/log.sh" "$name" >/dev/null 2>&1 &
    fi
done
exit 0
