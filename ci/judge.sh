#!/bin/sh
# Puts Debian 13's HAProxy, the version whose language is spoken here, into
# DIR/haproxy: a program that runs on any Debian with its own libraries. Nothing
# is installed and apt's own state is not touched.
#
#	sh ci/judge.sh build/judge
set -eu
suite=trixie
dir=$(mkdir -p "$1" && cd "$1" && pwd)
if [ -x "$dir/haproxy" ] && "$dir/haproxy" -v >/dev/null 2>&1; then exit 0; fi

mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
	grep -Eo '(https?|ftp|file|cdrom|copy|mirror\+[a-z]+)://?[^ ]*/debian/?( |$)' | head -n 1 | tr -d ' ')
: "${mirror:=http://deb.debian.org/debian}"
apt=$dir/apt
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
: >"$apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/sources.list"
cat >"$apt/apt.conf" <<CONF
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
CONF
# apt's download user must be able to write here, or apt is root and drops nothing.
[ "$(id -u)" != 0 ] || echo 'APT::Sandbox::User "root";' >>"$apt/apt.conf"
get() { apt-get -q -c "$apt/apt.conf" "$@"; }

# fetch gets haproxy and what it is linked with; packages of mere programs are
# left out.
fetch() {
	get update &&
		packages=$(get --print-uris -y install haproxy | sed -n "s/^'[^']*' \([^_]*\)_.*/\1/p" |
			grep -E '^(haproxy|lib.*)$') &&
		(cd "$apt/debs" && get download $packages) &&
		for deb in "$apt"/debs/*.deb; do dpkg -x "$deb" "$dir/root" || return; done
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! fetch >"$log" 2>&1; then
	cat "$log" >&2
	echo "judge: HAProxy of $suite could not be fetched; the output of apt is above" >&2
	exit 1
fi
rm -rf "$apt"
cat >"$dir/haproxy.new" <<PROGRAM
#!/bin/sh
root=$dir/root
exec "\$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "\$root/usr/lib/x86_64-linux-gnu" "\$root/usr/sbin/haproxy" "\$@"
PROGRAM
chmod 755 "$dir/haproxy.new"
"$dir/haproxy.new" -v >/dev/null
mv "$dir/haproxy.new" "$dir/haproxy"
