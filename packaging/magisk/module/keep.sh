#!/system/bin/sh
# Keeps one daemon running: `keep.sh bridge` or `keep.sh socketd`. What both say goes to log.sh.
#
# It waits in wait(2), and wakes only when the daemon ends. One that ends again and again is started after 1, 2, 4, ..
# and at last every 60 seconds; these sleeps do not wake a phone that sleeps. SIGTERM ends the daemon, then this.
MODDIR=${0%/*}
# shellcheck source-path=SCRIPTDIR source=places.sh
. "$MODDIR/places.sh"
BIN=$MODDIR/bin

# Seconds before a daemon is started again: at first, and at most.
PAUSE_MIN=1
PAUSE_MAX=60
# Seconds of running after which the next end is the first again.
STEADY=60

name=$1
case $name in
    bridge | socketd) ;;
    *)
        echo "usage: keep.sh bridge|socketd" >&2
        exit 2
        ;;
esac

say() {
    echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) keep.sh: $*"
}

# Seconds since boot, whatever the clock says.
seconds_up() {
    read -r up _ </proc/uptime
    echo "${up%%.*}"
}

# Becomes the bridge. bridge.args has further arguments, one a line.
become_bridge() {
    # Whoever starts modules is out of reach when memory runs out, and containers inherit it: the kernel must be able to end one that
    # takes it all.
    echo 0 2>/dev/null >/proc/self/oom_score_adj
    set -- serve --state-dir "$STATE"
    if [ -f "$ETC/bridge.toml" ]; then
        set -- "$@" --ceiling "$ETC/bridge.toml"
    fi
    add_arguments "$ETC/bridge.args" "$@"
}

# Becomes socketd, in the folder of its configuration: on SIGHUP user 60750 reads it again, who cannot come from /.
become_socketd() {
    cd "$ETC" || exit 1
    set -- serve --bridge-dir "$RUN/bridge"
    if [ -f socketd.toml ]; then
        set -- "$@" --config ./socketd.toml
    else
        set -- "$@" --listen "unix://$RUN/api/docker.sock"
    fi
    add_arguments "$ETC/socketd.args" "$@"
}

# Starts the program with these arguments and those of a file: one a line, `--name=value` or `--name value`.
add_arguments() {
    file=$1
    shift
    if [ -f "$file" ]; then
        return_key=$(printf '\r')
        while IFS= read -r line || [ -n "$line" ]; do
            line=${line%"$return_key"}
            case $line in
                '' | '#'*) ;;
                --*=*) set -- "$@" "$line" ;;
                --*' '*) set -- "$@" "${line%% *}" "${line#* }" ;;
                *) set -- "$@" "$line" ;;
            esac
        done <"$file"
    fi
    case "$name $*" in
        bridge*--runtime*) ;;
        # Nobody chose: containers of Droidspaces where that is installed by now, and ours.
        bridge*)
            if [ -d /data/local/Droidspaces ]; then
                set -- "$@" --runtime=droidspaces
            fi
            set -- "$@" --runtime=native
            ;;
    esac
    if [ -s "$ETC/log-level" ]; then
        read -r SOCKETD_LOG <"$ETC/log-level"
        export SOCKETD_LOG
    fi
    case $name in
        bridge) exec "$BIN/socketd-bridge" "$@" ;;
        socketd) exec "$BIN/socketd" "$@" ;;
    esac
}

# Ends whatever was started last, daemon or pause, and waits for it.
end() {
    trap - TERM INT
    say "asked to end"
    if kill "$!" 2>/dev/null; then
        wait "$!"
    fi
    rm -f "$RUN/$name.pid" "$RUN/$name.keeper"
    exit 0
}

make_places && make_run || exit 1
trap end TERM INT
# Where log.sh was killed nobody hears what is said; the daemon is kept all the same.
trap '' PIPE
echo "$$" >"$RUN/$name.keeper"
pause=$PAUSE_MIN
while :; do
    begun=$(seconds_up)
    "become_$name" </dev/null &
    echo "$!" >"$RUN/$name.pid"
    wait "$!"
    status=$?
    if [ "$(($(seconds_up) - begun))" -ge "$STEADY" ]; then
        pause=$PAUSE_MIN
    fi
    say "$name ended with status $status; starting it again in $pause s"
    sleep "$pause" &
    wait "$!"
    pause=$((pause * 2))
    if [ "$pause" -gt "$PAUSE_MAX" ]; then
        pause=$PAUSE_MAX
    fi
done
