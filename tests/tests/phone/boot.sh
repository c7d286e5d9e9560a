# What Magisk does with a module while a phone boots: updates take the place of what they update, what is marked is removed, and the
# scripts run, the last one beside the boot.
modules=/data/adb/modules
# Some number that is to be left behind: for that of init, -1000, takes a power that test machines may lack.
echo 500 >/proc/self/oom_score_adj
mkdir -p "$modules"
if [ -d /data/adb/modules_update/socketd ]; then
    rm -rf "$modules/socketd"
    mv /data/adb/modules_update/socketd "$modules/socketd"
fi
if [ -e "$modules/socketd/remove" ]; then
    sh "$modules/socketd/uninstall.sh"
    rm -rf "$modules/socketd"
elif [ -d "$modules/socketd" ] && [ ! -e "$modules/socketd/disable" ]; then
    sh "$modules/socketd/post-fs-data.sh"
    sh "$modules/socketd/service.sh"
fi
