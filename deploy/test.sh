#!/usr/bin/env bash
# Builds the image and runs the whole Compose file with it: up, publish, close, look at the page,
# kill services, down. Where no engine answers, it says so and checks what can be checked without.
# Everything happens in a Compose project of its own, on ports of its own, and is removed at the end.
#   deploy/test.sh
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

without_engine() {
  say "not run: $1"
  say 'checked without an engine: the rules for the Dockerfile, the Compose file and the versions in both'
  npx jest -c test/jest.config.js --selectProjects unit -- test/unit/deploy/containers.test.ts
  if docker compose version >/dev/null 2>&1; then
    TALLYMAN_AUTH_SECRET=unused COMPOSE_PROFILES=livekit docker compose config --quiet
    say 'Compose accepts the file'
  fi
  exit 0
}

docker version >/dev/null 2>&1 || without_engine 'no Docker engine answers'
docker compose version >/dev/null 2>&1 || without_engine 'the Docker client has no Compose'
for base in $(sed -nE 's/^FROM (--platform=[^ ]+ )?([^ ]+).*/\2/p' Dockerfile | sort -u) $(sed -nE 's/^    image: ([^ ]+:[^ ]+)$/\1/p' docker-compose.yml); do
  case $base in livekit/*) continue ;; esac
  docker image inspect "$base" >/dev/null 2>&1 || docker pull --quiet "$base" >/dev/null 2>&1 ||
    without_engine "the image $base is not to be had"
done

work=$(mktemp -d)
export COMPOSE_PROJECT_NAME=tallyman-test-$$ COMPOSE_FILE=$PWD/docker-compose.yml COMPOSE_PROFILES=
export TALLYMAN_KAFKA_PORT=21092 TALLYMAN_REDIS_PORT=21379 TALLYMAN_PORT=21080
export TALLYMAN_PROMETHEUS_PORT=21090 TALLYMAN_GRAFANA_PORT=21030
TALLYMAN_COMMIT=$(git rev-parse --short HEAD)
export TALLYMAN_COMMIT

if docker compose --env-file /dev/null config --quiet 2>"$work/refusal"; then fail 'Compose takes a file without a secret'; fi
grep -q 'TALLYMAN_AUTH_SECRET is missing' "$work/refusal" || fail "Compose does not name the secret: $(cat "$work/refusal")"
say 'Compose names the secret that is missing'
TALLYMAN_AUTH_SECRET=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export TALLYMAN_AUTH_SECRET

finish() {
  status=$?
  [ "$status" = 0 ] || docker compose logs --tail 20 --no-color >&2 || true
  docker compose down --volumes --timeout 2 >/dev/null 2>&1 || true
  docker rm --force "$COMPOSE_PROJECT_NAME-stopped" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap finish EXIT

tallyman() { docker compose exec -T consume tallyman "$@"; }
until_true() { # SECONDS WHAT COMMAND...
  local limit=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$limit" ] || fail "$what"
    sleep 1
  done
}

say 'build'
docker compose build --quiet consume
base=$(docker image inspect --format '{{.Size}}' "$(sed -nE 's/^FROM ([^ ]+)$/\1/p' Dockerfile)")
size=$(docker image inspect --format '{{.Size}}' tallyman)
say "the image adds $(((size - base) / 1000000)) MB to its base"
[ $((size - base)) -lt 60000000 ] || fail 'that is over 60 MB'
alone() { docker run --rm --read-only --cap-drop ALL --security-opt no-new-privileges --network none "$@"; }
[ "$(alone tallyman --version)" = "$(node -p 'require("./package.json").version') ($TALLYMAN_COMMIT)" ] ||
  fail "tallyman --version prints $(alone tallyman --version)"
left=$(alone --entrypoint find tallyman /tallyman -name '*.map' -o -name '.tsbuildinfo' -o -path '*/dist/bench' -o -path '*/src/dev')
[ -z "$left" ] || fail "the image contains $left"

say 'a verb that ends hears SIGTERM as process 1 of a container'
stopped=$COMPOSE_PROJECT_NAME-stopped
docker run --detach --interactive --network none --name "$stopped" tallyman publish - >/dev/null
ends_of_it() { # a signal from before the program loads is lost
  docker kill --signal TERM "$stopped"
  [ "$(docker inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$stopped")" = 'exited 143' ]
}
until_true 30 'it does not end with 143' ends_of_it

up() { docker compose up --wait --quiet-pull "$@" >"$work/up" 2>&1 || { cat "$work/up" >&2; fail "up --wait $* did not exit with 0"; }; }

say 'publish and count'
up consume
# Two months back is closed at any time: the last month is not in its first hour.
month=$(date -u -d "$(date -u +%Y-%m-15) -2 month" +%Y-%m)
tallyman projects set acme --plan ship --from "$month-01" >/dev/null
for i in $(seq 1 500); do
  printf '{"specversion":"1.0","id":"call-%s","source":"/test","type":"usage.session.v1","subject":"acme","time":"%s-20T10:00:00Z","data":{"service":"webrtc","durationMs":70000}}\n' "$i" "$month"
done | tallyman publish - >/dev/null 2>&1
# 500 usages of 70 s are 500 times two minutes.
counted() { tallyman totals acme --month "$month" --json | grep -q '"session.webrtc": "60000"'; }
until_true 60 'the usage is not counted' counted

say 'up --wait'
up
docker compose ps --all --format '{{.Service}}: {{.Status}}'

say 'the service closes the month'
issued() { tallyman invoices show "acme-$month" | grep -q '1,000'; }
until_true 120 'there is no invoice of 1,000 minutes' issued
tallyman verify "$month" >/dev/null || fail 'verify finds a difference'

say 'the page'
page() { # shows it to an admin, as a browser would
  link=$(docker compose exec -T serve tallyman token acme --role admin --link "http://127.0.0.1:$TALLYMAN_PORT")
  curl -fsS -L -c "$work/cookies" -b "$work/cookies" -o "$work/page" "$link"
  curl -fsS -b "$work/cookies" -o "$work/page" "http://127.0.0.1:$TALLYMAN_PORT/projects/acme/billing"
}
page
grep -qi 'statements' "$work/page" || fail 'the page does not list the statements'
curl -fsS -b "$work/cookies" -o "$work/pdf" "http://127.0.0.1:$TALLYMAN_PORT/v1/projects/acme/invoices/acme-$month.pdf"
[ "$(head -c 5 "$work/pdf")" = '%PDF-' ] || fail 'the invoice is not a PDF'

say 'every service starts again after its process was killed'
# `docker kill` counts as a wish, and the engine leaves the container down. So the process is killed.
for service in $(docker compose ps --services --status running); do
  container=$(docker compose ps --quiet "$service")
  before=$(docker inspect --format '{{.RestartCount}}' "$container")
  pid=$(docker inspect --format '{{.State.Pid}}' "$container")
  docker run --rm --pid host --user 0 --cap-drop ALL --cap-add KILL --network none --entrypoint node tallyman \
    -e "process.kill($pid, 'SIGKILL')"
  restarted() {
    [ "$(docker inspect --format '{{.RestartCount}}' "$container")" -gt "$before" ] &&
      docker inspect --format '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}' "$container" |
      grep -qE '^running (healthy)?$'
  }
  until_true 120 "$service does not come back" restarted
  say "   $service is back"
done
until_true 60 'the totals are gone' counted
until_true 60 'the page is gone' page

say 'down'
from=$(date +%s%N)
docker compose stop >/dev/null 2>&1
# The engine kills a process that does not hear its signal. The stand-in for Grafana asks for that.
for service in $(docker compose ps --all --services | grep -v grafana); do
  [ "$(docker inspect --format '{{.State.ExitCode}}' "$(docker compose ps --all --quiet "$service")")" != 137 ] ||
    fail "$service does not end at its signal"
done
docker compose down --volumes >/dev/null 2>&1
say "   in $((($(date +%s%N) - from) / 1000000)) ms"
say 'all passed'
