# A stand-in for the installer of Magisk, as far as a module meets it: installer.sh ZIP. It unpacks, gives the usual rights, and sources
# the module's customize.sh with the functions and variables that Magisk's guide names. ARCH, API and KERNEL come from the test.
set -u
umask 022
ZIPFILE=$1
MODPATH=/data/adb/modules_update/socketd
TMPDIR=/dev/tmp
BOOTMODE=true
: "${ARCH:=x64}" "${API:=34}"
export ZIPFILE MODPATH TMPDIR BOOTMODE ARCH API

ui_print() {
    echo "$1"
}
abort() {
    ui_print "$1"
    rm -rf "$MODPATH"
    exit 1
}
# There is no SELinux here: the context is left away.
set_perm() {
    chown "$2:$3" "$1" && chmod "$4" "$1"
}
set_perm_recursive() {
    find "$1" -type d | while IFS= read -r folder; do set_perm "$folder" "$2" "$3" "$4"; done
    find "$1" -type f -o -type l | while IFS= read -r file; do set_perm "$file" "$2" "$3" "$5"; done
}
# The kernel that the test wants to be on.
if [ -n "${KERNEL:-}" ]; then
    uname() {
        case $1 in
            -r) echo "$KERNEL" ;;
            -m) echo "$MACHINE" ;;
        esac
    }
fi

rm -rf "$MODPATH"
mkdir -p "$MODPATH"
unzip -o "$ZIPFILE" -x 'META-INF/*' -d "$MODPATH" >/dev/null || abort "! Unable to extract zip file"
set_perm_recursive "$MODPATH" 0 0 0755 0644
. "$MODPATH/customize.sh"
rm -f "$MODPATH/customize.sh"
# An update waits for the next boot.
if [ -d /data/adb/modules/socketd ]; then
    : >/data/adb/modules/socketd/update
fi
ui_print "- Done"
