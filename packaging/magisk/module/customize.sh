# Sourced by the installer of Magisk, KernelSU or APatch, after it has unpacked the zip to $MODPATH. It gives ui_print, abort, set_perm
# and set_perm_recursive, and says by ARCH and API what this phone is.
# shellcheck shell=sh
# shellcheck source-path=SCRIPTDIR source=places.sh
. "$MODPATH/places.sh"

# The archive of programs for this machine. Programs are static: what counts is the kernel, not the apps.
machine_name() {
    case $ARCH in
        arm64) echo aarch64 ;;
        x64) echo x86_64 ;;
        *)
            case $(uname -m) in
                aarch64 | x86_64) uname -m ;;
                *) return 1 ;;
            esac
            ;;
    esac
}

# Whether the kernel is at least this: kernel_has 4 14
kernel_has() {
    [ "$kernel_major" -gt "$1" ] || { [ "$kernel_major" -eq "$1" ] && [ "$kernel_minor" -ge "$2" ]; }
}

# Says what this kernel lacks, and what is done about it.
tell_of_kernel() {
    if ! kernel_has 5 13; then
        ui_print "- No landlock (5.13): files are kept from socketd by their owners' rights alone"
    fi
    if ! kernel_has 5 6; then
        ui_print "- No openat2, pidfd, clone3 (5.6): older ways are taken, with the same result"
    fi
    if ! grep -q cgroup2 /proc/filesystems; then
        ui_print "- No cgroup v2: version 1 is used as far as it is mounted"
    fi
    lacking=
    for kind in pid mnt uts ipc net; do
        if [ ! -e "/proc/self/ns/$kind" ]; then
            lacking="$lacking $kind"
        fi
    done
    if [ -n "$lacking" ]; then
        ui_print "! No namespaces of these kinds:$lacking. Containers of its own will not start;"
        ui_print "  those of Droidspaces show all the same"
    fi
    if ! grep -qw overlay /proc/filesystems; then
        ui_print "! No overlayfs: containers of its own will not start; those of Droidspaces show all the same"
    fi
}

# Puts a configuration file in place, unless there is one: an update keeps what its owner wrote.
install_default() {
    if [ -e "$ETC/$1" ]; then
        ui_print "- Keeping $ETC/$1"
    else
        cp "$MODPATH/etc/$1" "$ETC/$1"
        set_perm "$ETC/$1" 0 0 0644
    fi
}

if ! machine=$(machine_name) || [ ! -f "$MODPATH/bin/$machine.tar.xz" ]; then
    abort "! This zip has no programs for $ARCH ($(uname -m))"
fi

kernel=$(uname -r)
kernel_major=${kernel%%.*}
kernel_minor=${kernel#*.}
kernel_minor=${kernel_minor%%[!0-9]*}
kernel_has 3 10 || abort "! Kernel $kernel is too old: 3.10 or later, please"
ui_print "- $machine, Android API $API, kernel $kernel"
tell_of_kernel

tar -xJf "$MODPATH/bin/$machine.tar.xz" -C "$MODPATH/bin" || abort "! The programs cannot be unpacked"
rm -f "$MODPATH"/bin/*.tar.xz
set_perm_recursive "$MODPATH" 0 0 0755 0644
set_perm_recursive "$MODPATH/bin" 0 0 0755 0755
for program in socketd-bridge socketd; do
    "$MODPATH/bin/$program" --version >/dev/null || abort "! $program does not run here"
done

make_places || abort "! $DATA cannot be made"
install_default socketd.toml
install_default bridge.args
rm -rf "${MODPATH:?}/etc"

if [ -e /vendor/bin/socketd-bridge ]; then
    ui_print "! This image starts a socketd of its own; the module will stay silent beside it"
fi
if [ -d /data/local/Droidspaces ]; then
    ui_print "- Droidspaces is here: its containers will show"
fi
ui_print "- Settings: $ETC. Journal, images and containers: $STATE. Logs: $LOG"
ui_print "- After the next boot: docker -H tcp://127.0.0.1:2375 ps"
