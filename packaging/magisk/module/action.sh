#!/system/bin/sh
# The button in the app: says how it is, and of a daemon that does not run what it said last.
MODDIR=${0%/*}
# shellcheck source-path=SCRIPTDIR source=places.sh
. "$MODDIR/places.sh"
BIN=$MODDIR/bin

# Says of a daemon (bridge, socketd), called so by people, whether it runs, as far as that is not told already.
tell() {
    name=$1
    if pid=$(daemon "$name"); then
        [ -n "$told" ] || echo "$2 runs (process $pid)."
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
"$BIN/socketd" status 2>/dev/null
case $? in
    # Running, something amiss, not running. All else means that it could not find out.
    0 | 1 | 3) told=yes ;;
    *) told= ;;
esac
tell bridge "The bridge (root)"
tell socketd "socketd (user 60750)"
if [ -z "$told" ]; then
    echo "Listening, by $ETC/socketd.toml:"
    sed -n 's/^url *= */  /p' "$ETC/socketd.toml" 2>/dev/null
fi
echo "Logs: $LOG. Kernel: $(uname -r). SELinux: $(getenforce 2>/dev/null || echo unknown)."
echo "What works here, and how to mend the rest: su -c '$BIN/socketd doctor'"
exit 0
