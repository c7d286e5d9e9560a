# A phone, as far as a module sees one: run by `unshare` in namespaces of its own, with the folders that are to be /data, /system and
# /vendor, and one to put it all. Nothing but /data and /dev can be written; there is no /etc, no /run, no /tmp, no user database. Ends as process 1
# that waits for orphans, as init does.
set -eu
data=$1
system=$2
vendor=$3
root=$4

mount -t tmpfs -o mode=0755 phone "$root"
cd "$root"
mkdir -p system vendor data proc sys dev old
mount --bind "$system" system
mount -o remount,bind,ro system
mount --bind "$vendor" vendor
mount -o remount,bind,ro vendor
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
