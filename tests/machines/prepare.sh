#!/bin/bash
# Installs what the machines of tests/world/boot.rs need and makes their root, once. Debian or Ubuntu, as root.
# The root is kept (a new list of packages or a new month makes a new one): /var/cache/gameday-test/base.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
PACKAGES="cloud-init curl mariadb-client postgresql-client python3 logrotate procps haproxy nodejs docker.io"
CACHE=/var/cache/gameday-test BASE=/var/cache/gameday-test/base
KEY=$(printf '%s\n' "$PACKAGES" "$(sha256sum <"$0")" "$(date +%Y-%m)" | sha256sum | cut -c 1-16)

mkdir -p "$CACHE"
exec 9>"$CACHE/lock"
flock 9

missing=()
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing+=("$2"); }
need debootstrap debootstrap
need systemd-nspawn systemd-container
need mariadbd mariadb-server
need mariadb mariadb-client
need redis-server redis-server
compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null || missing+=(postgresql)
need memcached memcached
need nginx nginx-light
need python3 python3
need ip iproute2
need shellcheck shellcheck
if [ "${missing[*]-}" ]; then
  # Installing a server is not starting it: nothing of the test runs outside its own namespaces.
  own_policy=
  [ -e /usr/sbin/policy-rc.d ] || { own_policy=1; printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; }
  trap '[ -z "$own_policy" ] || rm -f /usr/sbin/policy-rc.d' EXIT
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# MySQL itself is not in Debian: the one of Ubuntu 26.04, for who asks for it. Its keys are not in Debian either: TLS vouches.
MYSQL=$CACHE/mysql-8.4
if [ "${GAMEDAY_DATABASE:-}" = mysql-8.4 ] && [ ! -e "$MYSQL" ]; then
  echo "making a root with MySQL 8.4 (about a minute, once)"
  rm -rf --one-file-system "$MYSQL.new"
  debootstrap --no-check-gpg --variant=minbase --include=mysql-server-core --components=main resolute "$MYSQL.new" \
    https://archive.ubuntu.com/ubuntu /usr/share/debootstrap/scripts/gutsy >"$CACHE/log" || { tail -n 5 "$CACHE/log"; exit 1; }
  mv "$MYSQL.new" "$MYSQL"
fi

[ -e "$BASE/.key" ] && [ "$(cat "$BASE/.key")" = "$KEY" ] && exit 0
echo "making the machines' root with debootstrap (about a minute, once)"
rm -rf --one-file-system "$BASE" "$BASE.new"
debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,iproute2,ca-certificates bookworm "$BASE.new" >"$CACHE/log" ||
  { tail -n 5 "$CACHE/log"; exit 1; }
cp /etc/resolv.conf "$BASE.new/etc/resolv.conf"
cp /etc/apt/sources.list "$BASE.new/etc/apt/sources.list" 2>/dev/null || true
for file in /etc/apt/apt.conf.d/*; do grep -qi proxy "$file" && cp "$file" "$BASE.new/etc/apt/apt.conf.d/"; done || true
# shellcheck disable=SC2086 # a list of words
chroot "$BASE.new" sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" && apt-get clean' sh $PACKAGES >>"$CACHE/log" 2>&1 ||
  { tail -n 5 "$CACHE/log"; exit 1; }
# Amazon Linux has none of these before `dnf install` brings them: the stand-in for dnf puts them back.
mkdir -p "$BASE.new/usr/lib/stand-ins"
mv "$BASE.new"/usr/bin/{mysql,mariadb,node,docker} "$BASE.new"/usr/lib/postgresql/*/bin/psql "$BASE.new"/usr/sbin/haproxy "$BASE.new/usr/lib/stand-ins/"
rm "$BASE.new/usr/bin/psql"
# Debian starts what it installs; Amazon Linux does not.
rm -f "$BASE.new"/etc/systemd/system/multi-user.target.wants/{haproxy,docker,containerd}.service "$BASE.new/etc/systemd/system/sockets.target.wants/docker.socket"
rm -f "$BASE.new/etc/machine-id" "$BASE.new/var/lib/dbus/machine-id" "$BASE.new/etc/resolv.conf"
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer; do
  ln -sf /dev/null "$BASE.new/etc/systemd/system/$unit"
done
echo "$KEY" >"$BASE.new/.key"
mv "$BASE.new" "$BASE"
