# A phone, as far as a module sees one: run by `unshare` in namespaces of its own, with the folder that is to be /data. Everything but that
# is in memory and read-only; there is no /etc, no /run, no /tmp, no user database. /system/bin has toybox and mksh, as Android has them,
# and for what toybox lacks, busybox; getprop is a stand-in. Ends as process 1 that waits for orphans, as init does.
set -eu
data=$1
root=$2

mount -t tmpfs -o mode=0755 phone "$root"
cd "$root"
mkdir -p system/bin vendor/bin data proc sys dev old
cp /bin/busybox system/bin/busybox
cp "$(command -v toybox)" system/bin/toybox
cp /bin/mksh system/bin/sh
for tool in $(/bin/busybox --list); do
    [ -e "system/bin/$tool" ] || ln -s busybox "system/bin/$tool"
done
for tool in $(toybox); do
    case $tool in
        # Debian's build lacks parts of these that Android's has.
        sh | toybox) ;;
        *) ln -sf toybox "system/bin/$tool" ;;
    esac
done
cat >system/bin/getprop <<'STANDIN'
#!/system/bin/sh
[ "$1" = sys.boot_completed ] && echo 1
exit 0
STANDIN
chmod 0755 system/bin/getprop
: >system/build.prop
# What programs that are not static need.
for folder in /lib64 /lib/x86_64-linux-gnu /lib/aarch64-linux-gnu; do
    if [ -d "$folder" ]; then
        mkdir -p ".$folder"
        mount --bind "$folder" ".$folder"
        mount -o remount,bind,ro ".$folder"
    fi
done
mount --bind "$data" data
mount -t proc proc proc
mount --rbind /sys sys
# As on Android: in memory, and all that is writable besides /data.
mount -t tmpfs -o mode=0755 dev dev
mkdir dev/pts dev/socket
mount -t devpts -o newinstance,ptmxmode=0666,mode=0600 devpts dev/pts
for node in null zero full random urandom tty; do
    : >"dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
ln -s pts/ptmx dev/ptmx
ip link set lo up 2>/dev/null || /bin/busybox ip link set lo up
mount -o remount,ro,mode=0755 phone "$root"
pivot_root . old
exec /system/bin/busybox env -i PATH=/system/bin ANDROID_DATA=/data ANDROID_ROOT=/system /system/bin/busybox sh -c '
    cd /
    umount -l /old
    echo booted
    exec >/dev/null 2>&1 </dev/null
    sleep 1000000 &
    wait $!
'
