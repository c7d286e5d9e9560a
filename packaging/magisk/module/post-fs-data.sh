#!/system/bin/sh
# Before anything else starts: the folders, and the labels that sepolicy.rule gives a meaning to. Where the policy did not take the
# rule, chcon fails, and the daemons run in the domain of whoever starts them.
MODDIR=${0%/*}
# shellcheck source-path=SCRIPTDIR source=places.sh
. "$MODDIR/places.sh"

make_places && make_run || exit 1
label() {
    type=$1
    shift
    chcon "u:object_r:$type:s0" "$@" 2>/dev/null
}
label socketd_bridge_exec "$MODDIR/bin/socketd-bridge"
label socketd_exec "$MODDIR/bin/socketd"
# What is made in a folder takes its label.
label socketd_data_file "$DATA" "$ETC" "$STATE" "$LOG" "$ETC"/*
label socketd_socket "$RUN"
exit 0
