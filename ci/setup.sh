#!/bin/sh
# Installs what building and testing need and what is missing, on Debian 12 or 13.
# Says what it installs; says nothing when all is there. Go and make are expected.
# "setup.sh bench" installs what "make bench" measures with, too.
# Uses sudo when it is not run by root.
set -eu

missing=
need() { # need COMMAND-OR-FILE PACKAGE...
	case $1 in
	/*) [ -e "$1" ] && return ;;
	*) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null 2>&1 && return ;;
	esac
	shift
	missing="$missing $*"
}

# The image: kernel package, boot loader.
need depmod kmod
need grub-mkimage grub-common
need /usr/lib/grub/i386-pc/boot.img grub-pc-bin
need /usr/lib/grub/x86_64-efi/moddep.lst grub-efi-amd64-bin
need /usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
need xz xz-utils
# The lab: virtual machine, containers, clients.
need qemu-system-x86_64 qemu-system-x86
need /usr/share/seabios/bios-256k.bin seabios
need /usr/share/OVMF/OVMF_CODE_4M.fd ovmf
need dockerd docker.io
need mmdebstrap mmdebstrap
need qemu-img qemu-utils
need mariadb mariadb-client
need curl curl
need wrk wrk
need swaks swaks
need redis-benchmark redis-tools
need sysbench sysbench
need ssh openssh-client
# The judge of the configuration language; what lint lists files with.
need haproxy haproxy
need git git
# The tests of the web pages.
need chromium chromium
# The tests of unit files and of file systems.
need systemd-analyze systemd
need fsck.vfat dosfstools
need mcopy mtools
# The tests of the network configurator: DHCP and router advertisements.
need dnsmasq dnsmasq-base
need radvd radvd
# Clients that became packages of their own in Debian 13.
need docker docker-cli
need mysql mariadb-client-compat
if [ "${1-}" = bench ]; then
	need nginx nginx-light
	need /usr/lib/nginx/modules/ngx_stream_module.so libnginx-mod-stream
	need redis-server redis-server
	need mariadbd mariadb-server
fi
missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')
[ -z "${missing% }" ] && exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
	sudo=sudo
	if ! command -v sudo >/dev/null 2>&1; then
		echo "setup: root is needed to install: $missing" >&2
		exit 1
	fi
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >>"$log" 2>&1 </dev/null; }
run_apt() {
	if ! apt "$@"; then
		cat "$log" >&2
		echo "setup: apt-get $1 failed; its output is above" >&2
		exit 1
	fi
}
# A package list from the day before yesterday names files that are gone.
run_apt update
packages=
for p in $missing; do
	# Debian 12 has no package for the clients of 13: they are in others there.
	if apt-cache show "$p" >/dev/null 2>&1; then packages="$packages $p"; fi
done
echo "setup: installing$packages"
run_apt install -y --no-install-recommends $packages
