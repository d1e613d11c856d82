#!/bin/sh
# Turns new namespaces into a node: run as their first process, in the node's directory.
#   boot.sh NAME TREE PROGRAMS CGROUP...
# Nothing it mounts is seen outside; all of it goes when its process ends.
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
name=$1 tree=$2 programs=$3
shift 3

# Before anything else: whoever looks for leftovers sees by this that they are none.
for group in "$@"; do echo 0 >"$group/cgroup.procs"; done

mount -t overlay -o "lowerdir=$tree,upperdir=$PWD/upper,workdir=$PWD/work" overlay root || {
  echo "Set TMPDIR to a directory on ext4, xfs or tmpfs: $PWD is on $(stat -f -c %T .)." >&2
  exit 1
}
# Not on the overlay: containerd's own overlays cannot stand on another, and the tests look into both.
mkdir -p root/var/lib/kubelet root/var/lib/containerd root/opt/kubernetes root/etc/kubernetes
mount --bind kubelet root/var/lib/kubelet
mount --bind containerd root/var/lib/containerd
mount --bind kubernetes root/etc/kubernetes
mount --bind "$programs" root/opt/kubernetes
mount --rbind /sys root/sys
mount --rbind /dev root/dev
mount -t tmpfs -o mode=1777 tmpfs root/dev/shm
mount -t tmpfs -o mode=755 tmpfs root/run
mount -t proc proc root/proc

# The kubelet sets these for the whole machine; here it gets files of its own to write to.
mkdir root/run/sysctl
for key in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
  kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  file=root/run/sysctl/$(echo "$key" | tr / .)
  cat "/proc/sys/$key" >"$file"
  mount --bind "$file" "root/proc/sys/$key"
done
# These two are the node's alone.
echo "$name" >root/proc/sys/kernel/hostname
echo 1 >root/proc/sys/net/ipv4/ip_forward

cd root
pivot_root . mnt
umount -l /mnt
# Only now: pivot_root refuses a shared root, and the kubelet wants its mounts to reach the containers.
mount --make-rshared /
: >/run/booted
# As the first process it also takes in orphans; the shell reaps them while it waits.
exec /bin/sh -c 'while :; do sleep 1000; done'
