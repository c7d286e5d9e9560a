# A machine of its own on this one's files: DIRECTORY GROUPS PROGRAM... becomes its first process. It is started in new
# namespaces of mounts, processes, control groups, names, IPC and network. GROUPS are "same", or "unified": version 2 alone.
set -e
directory=$1
groups=$2
shift 2
root=$directory/root

mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$directory/upper,workdir=$directory/work" "$root"
# Layers of containers cannot lie on an overlay.
mount --bind "$directory/var-lib" "$root/var/lib"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"

# The same hierarchies as outside, from where this process stands in them. (The table grows while it is read.)
table=$(cat /proc/mounts)
if [ "$groups" = unified ]; then
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    table=
elif ! grep -q '^cgroup2 /sys/fs/cgroup ' /proc/mounts; then
    mount -t tmpfs -o mode=0755 cgroups "$root/sys/fs/cgroup"
fi
while read -r _ place kind options _; do
    case $kind in
    cgroup | cgroup2) ;;
    *) continue ;;
    esac
    case $place in /sys/fs/cgroup*) ;; *) continue ;; esac
    mkdir -p "$root$place"
    # Of the options those that name the hierarchy.
    names=$(printf %s "$options" | tr , '\n' | grep -vE '^(rw|ro|relatime|nosuid|nodev|noexec|release_agent=.*|nsdelegate|memory_recursiveprot|xattr|clone_children)$' | paste -sd, -)
    case $names in name=*) names=none,$names ;; esac
    mount -t "$kind" ${names:+-o "$names"} "$kind" "$root$place"
done <<TABLE
$table
TABLE

mount -t tmpfs -o mode=0755 dev "$root/dev"
for node in null zero full random urandom tty; do
    : >"$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=0755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
busybox ip link set lo up
hostname machine

mkdir "$root/tmp/outside"
cd "$root"
pivot_root . tmp/outside
cd /
umount -l /tmp/outside
rmdir /tmp/outside
# As the first process of a machine finds it, or makes it: systemd lends credentials to services by a mount that spreads.
mount --make-rshared /
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=machine TERM=dumb "$@"
