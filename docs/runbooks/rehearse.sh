# Words for rehearsing the runbooks on this machine. In bash, at the root of the repository: . docs/runbooks/rehearse.sh
# Beside `npm run demo` it finds the demo. `stage` starts a Redis, a sandbox in place of Maxio and the service as programs of their own, so that
# each of them can be stopped, changed and started again; it keeps everything in var/rehearsal, and `stage_end` removes that.

export PORT="${PORT:-8080}" SANDBOX_PORT="${SANDBOX_PORT:-8090}"
export MAXIO_SCIM_URL="http://127.0.0.1:$PORT" MAXIO_BASE_URL="http://127.0.0.1:$SANDBOX_PORT"
export OPS_TOKEN=demo-ops-token-0123456789 SCIM_TOKEN=demo-scim-token-0123456789
# The Node that came with the packages.
export PATH="$PWD/node_modules/.bin:$PATH"
STAGE=var/rehearsal
JSON='Content-Type: application/json'

# --- What the identity provider does ---

# What the identity provider presents: the token in its file, where a page has given it one. TOKEN_FILE names that of somebody else.
idp_token() { cat "${TOKEN_FILE:-$STAGE/idp-token}" 2> /dev/null || echo "$SCIM_TOKEN"; }

# One SCIM request: scim GET /Users, scim POST /Users '{…}'. With FROM=203.0.113.9 it comes from there, where the service trusts this machine as a proxy.
scim() {
  curl -sS -X "$1" -H "Authorization: Bearer $(idp_token)" -H 'Content-Type: application/scim+json' \
    ${FROM:+-H "X-Forwarded-For: $FROM"} ${3:+-d "$3"} "$MAXIO_SCIM_URL/scim/v2$2"
  echo
}

# People join, as an identity provider sends them in a full cycle: joins ann ben
joins() {
  for name in "$@"; do
    scim POST /Users "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],\"userName\":\"$name@example.com\",\"externalId\":\"idp-$name\",
      \"name\":{\"givenName\":\"$name\",\"familyName\":\"Example\"},\"emails\":[{\"value\":\"$name@example.com\",\"type\":\"work\",\"primary\":true}],\"active\":true}" |
      sed -E 's/.*"detail":"([^"]*)".*/not accepted: \1/; t; s/.*/accepted/'
  done
}

# What the directory calls a person: id_of ann@example.com
id_of() {
  scim GET "/Users?filter=userName%20eq%20%22$1%22&attributes=userName" | sed -nE 's/.*"id":"([^"]+)".*/\1/p'
}

# Changes one person: patch ann@example.com '{"title":"Director"}'
patch() {
  scim PATCH "/Users/$(id_of "$1")" "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],\"Operations\":[{\"op\":\"replace\",\"value\":$2}]}" > /dev/null
}
leaves() { for name in "$@"; do patch "$name@example.com" '{"active":false}'; done; }
returns() { for name in "$@"; do patch "$name@example.com" '{"active":true}'; done; }

# A group is pushed, with people who are here already: group 'Day shift' ann ben
group() {
  local name="$1" members=''
  shift
  for each in "$@"; do members="$members${members:+,}{\"value\":\"$(id_of "$each@example.com")\"}"; done
  scim POST /Groups "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:Group\"],\"displayName\":\"$name\",\"members\":[$members]}" > /dev/null
}

# What has leaked, by its id: leaked token, leaked client, leaked secret
leaked() {
  case "$1" in
    client) grep -o 'smc_[a-z2-7]*' "$STAGE/leaked-client" ;;
    *) cut -d_ -f2 "$STAGE/leaked-$1" ;;
  esac
}

# --- What Maxio does ---

maxio() { curl -sS -X "$1" -H "$JSON" ${3:+-d "$3"} "$MAXIO_BASE_URL/__sandbox$2"; echo; }
# From now on Maxio misbehaves: fault '{"kind":"html-error"}'
fault() { maxio POST /faults "$1" > /dev/null; }
mend() { maxio DELETE /faults > /dev/null; }
# A colleague edits something in Maxio's pages: staff '{"do":"cancel-subscription","id":1}'
staff() { maxio POST /staff "$1" > /dev/null; }
# Somebody makes a new API key at Maxio and revokes the old one.
new_key() { maxio POST /key "{\"apiKey\":\"$1\"}" > /dev/null; }

# --- The programs of the stage ---

# Runs a program in the background and remembers it: begin NAME COMMAND…
begin() {
  local name="$1"
  shift
  "$@" >> "$STAGE/$name.log" 2>&1 < /dev/null &
  echo $! > "$STAGE/$name.pid"
}

# Ends what was begun, and waits until it is gone.
end() {
  local pid
  pid=$(cat "$STAGE/$1.pid" 2> /dev/null) || return 0
  kill ${2:+"$2"} "$pid" 2> /dev/null || true
  while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
  rm -f "$STAGE/$1.pid"
}

# Waits until a command succeeds, two minutes at most.
until_true() {
  local left=600
  until "$@" > /dev/null 2>&1; do
    left=$((left - 1))
    if [ "$left" -le 0 ]; then echo "this did not come true: $*" >&2; return 1; fi
    sleep 0.2
  done
}

# True when a program that was begun has ended: until_true gone redis
gone() { ! kill -0 "$(cat "$STAGE/$1.pid")"; }

nobody_waits() { curl -fsS "$MAXIO_SCIM_URL/health" | grep '"pending":0,'; }
# Waits until Maxio has everything that was said so far.
at_rest() { until_true nobody_waits; }

# Redis, or Valkey where that is what there is: redis_program cli
redis_program() { command -v "redis-$1" || command -v "valkey-$1" || { echo "redis-$1 is not on PATH; install Redis or Valkey" >&2; return 1; }; }
redis() { "$(redis_program cli)" -s "$PWD/$STAGE/redis.sock" "$@"; }
redis_answers() { [ "$(redis ping)" = PONG ]; }
redis_begin() {
  mkdir -p "$STAGE/redis"
  begin redis "$(redis_program server)" --port 0 --unixsocket "$PWD/$STAGE/redis.sock" --dir "$PWD/$STAGE/redis" \
    --appendonly yes --appendfsync always --maxmemory-policy noeviction --save '' "$@"
  until_true redis_answers
}

# Changes a setting of the service; it counts after the next service_restart: setting MAXIO_CALLS_PER_HOUR=1000
setting() {
  sed -i.before "/^${1%%=*}=/d" "$STAGE/service.env"
  echo "$1" >> "$STAGE/service.env"
}
# Starts the service, of this version or of the one in another folder.
service_begin() {
  begin service env -u SCIM_TOKEN --chdir="${1:-.}" node --env-file="$PWD/$STAGE/service.env" src/main.ts
  until_true curl -fsS "$MAXIO_SCIM_URL/livez"
}
service_ready() { until_true curl -fsS "$MAXIO_SCIM_URL/readyz"; }
service_restart() { end service; service_begin "$@"; }

# A later release of the service in a folder of its own, which it prints; with the word "newer" one that keeps people in another shape.
later_release() {
  local folder="$STAGE/release-$1"
  mkdir -p "$folder/src"
  cp -R src/. "$folder/src"
  ln -sfn "$PWD/node_modules" "$folder/node_modules"
  sed "s/\"version\": \"[^\"]*\"/\"version\": \"$1\"/" package.json > "$folder/package.json"
  if [ "$2" = newer ]; then
    sed -E 's/(SCHEMA_VERSION = )[0-9]+/\1999/' src/directory/record.ts > "$folder/src/directory/record.ts"
  fi
  echo "$folder"
}

# Everything, empty: stage MAXIO_CALLS_PER_HOUR=20
stage() {
  stage_end
  mkdir -p "$STAGE/exports"
  chmod 700 "$STAGE"
  printf %s sandbox-key > "$STAGE/maxio-api-key"
  cat > "$STAGE/service.env" << SETTINGS
HOST=127.0.0.1
PORT=$PORT
PUBLIC_URL=$MAXIO_SCIM_URL
REDIS_URL=$PWD/$STAGE/redis.sock
SHUTDOWN_DELAY_SECONDS=0
OPS_TOKEN=$OPS_TOKEN
SCIM_TOKEN=$SCIM_TOKEN
MAXIO_SUBDOMAIN=acme
MAXIO_API_KEY_FILE=$PWD/$STAGE/maxio-api-key
MAXIO_BASE_URL=$MAXIO_BASE_URL
MAXIO_PRODUCT_HANDLE=pro
MAXIO_GUARD_CALM_SECONDS=1
WITNESS_FILE=$PWD/$STAGE/witness.json
SETTINGS
  for line in "$@"; do setting "$line"; done
  redis_begin
  begin sandbox node src/sandbox/main.ts
  until_true curl -fsS "$MAXIO_BASE_URL/__sandbox/clock"
  service_begin
  service_ready
}

stage_end() {
  for each in service sandbox redis; do end "$each"; done
  rm -rf "$STAGE"
}
