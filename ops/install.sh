#!/bin/sh
# Installs Debian packages: ops/install.sh PACKAGE...   (as root)
# The packages' own services are neither started now nor at the next boot: Comptoir starts private ones.
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
mark='# written by comptoir while it installs packages, removed afterwards'

# One at a time: a second one would find the policy of the first and lose it half-way.
exec 9>"${TMPDIR:-/tmp}/comptoir-install.lock"
flock 9

missing=
services=
for package in "$@"; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
        installed) ;;
        *)
            missing="$missing $package"
            services="$services $package"
            ;;
    esac
done
# Erlang's name server comes with RabbitMQ, for systemd alone.
had_epmd=$(command -v epmd || true)
[ -n "$missing" ] || exit 0

if [ ! -e "$policy" ] || grep -qF "$mark" "$policy"; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
    chmod 755 "$policy"
fi
apt-get -q update
# shellcheck disable=SC2086 # a list of words
apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=600 install $missing
for service in $services; do
    update-rc.d "$service" disable >/dev/null 2>&1 || true
done
if [ -z "$had_epmd" ] && command -v systemctl >/dev/null 2>&1; then
    systemctl disable epmd.socket epmd.service >/dev/null 2>&1 || true
fi
