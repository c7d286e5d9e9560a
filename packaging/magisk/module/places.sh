# Where everything is, for the scripts beside this one, which source it. No arguments, no output.
# shellcheck shell=sh
# shellcheck disable=SC2034  # whoever sources this uses them

# All that outlives an update of the module. Below /data/adb, which root alone may enter.
DATA=/data/adb/socketd
ETC=$DATA/etc
STATE=$DATA/state
LOG=$DATA/log
# Sockets, in memory: user 60750 must get to them, who could not enter /data/adb, and no boot finds old ones.
RUN=/dev/socketd
# Whoever puts this file there wants nothing kept when the module is removed.
PURGE=$DATA/remove-everything

# Makes what is missing. What is there stays as it is.
make_places() {
    mkdir -p "$ETC" "$STATE" "$LOG" || return 1
    chmod 0711 "$DATA" "$ETC" "$STATE" && chmod 0700 "$LOG"
}

# Makes the folder of the sockets, and has the state directory lead to it.
make_run() {
    mkdir -p "$RUN" && chmod 0711 "$RUN" || return 1
    if [ ! -h "$STATE/run" ]; then
        rm -rf "$STATE/run"
        ln -s "$RUN" "$STATE/run"
    fi
}

# The process that keeps a daemon (bridge, socketd) running; fails where there is none.
keeper() {
    { read -r pid <"$RUN/$1.keeper"; } 2>/dev/null || return 1
    # The number may be another's by now.
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q "keep.sh $1 $" && echo "$pid"
}

# The daemon itself, as keep.sh has noted it; fails where it does not run.
daemon() {
    { read -r pid <"$RUN/$1.pid"; } 2>/dev/null || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q "^$BIN/socketd" && echo "$pid"
}
