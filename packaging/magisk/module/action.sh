#!/system/bin/sh
# The button in the app: says how it is.
MODDIR=${0%/*}
# shellcheck source-path=SCRIPTDIR source=places.sh
. "$MODDIR/places.sh"
BIN=$MODDIR/bin

tell() {
    name=$1
    if pid=$(daemon "$name"); then
        echo "$2 runs (process $pid)."
        return
    fi
    if keeper "$name" >/dev/null; then
        echo "$2 does NOT run; it is being started again. The end of $LOG/$name.log:"
    else
        echo "$2 does NOT run. Start it: su -c 'sh $MODDIR/service.sh'. The end of $LOG/$name.log:"
    fi
    tail -n 5 "$LOG/$name.log" 2>/dev/null
}

sed -n 's/^version=/socketd /p' "$MODDIR/module.prop"
tell bridge "The bridge (root)"
tell socketd "socketd (user 60750)"
echo "Listening, by $ETC/socketd.toml:"
sed -n 's/^url *= */  /p' "$ETC/socketd.toml" 2>/dev/null
echo "Logs: $LOG. Kernel: $(uname -r). SELinux: $(getenforce 2>/dev/null || echo unknown)."
echo "More: su -c '$BIN/socketd status' and su -c '$BIN/socketd doctor'"
exit 0
