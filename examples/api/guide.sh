#!/bin/sh
# The guide's flow with curl: make an MCP server, sign in, use its tools through the local proxy, renew, look, take all of it back.
#
#   MCP_URL=https://mcp.example.com/mcp sh guide.sh
#
# Everything else may be left out:
#   BEARERD_URL, BEARERD_KEY                        where bearerd is, and its admin key (else `bearerd admin-key` is asked)
#   NAME                                            of the server, else guide
#   OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET            else a client is registered
#   OAUTH_AUTHORIZATION_URL, OAUTH_TOKEN_URL, OAUTH_REGISTRATION_URL, OAUTH_SERVER_URL     else they are discovered
#   OAUTH_SCOPE, OAUTH_RESOURCE, OAUTH_GRANT_TYPE, OAUTH_VERSION, OAUTH_ENFORCE_HTTPS      as in a configuration file
#   APPROVE                                         a command that is run with the address to approve at, in place of a person
#
# The results are on stdout, what is being done is on stderr.
set -eu

: "${MCP_URL:?set it to the URL of an MCP server}"
name=${NAME:-guide}
url=${BEARERD_URL:-http://127.0.0.1:7412}
key=${BEARERD_KEY:-$(bearerd admin-key)}

say() { printf '%s\n' "$*" >&2; }

made=
die() {
  say "$*"
  [ -z "$made" ] || say "$name is left as it is: the page removes it, or DELETE /api/mcp/client/$name"
  exit 1
}

# quoted TEXT: as a string of JSON, or of curl's configuration.
quoted() { printf '"%s"' "$(printf %s "$1" | sed 's/\\/\\\\/g; s/"/\\"/g')"; }

# field NAME: the text of that name in the JSON of $body.
field() { printf '%s\n' "$body" | sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p' | sed 's/\\u0026/\&/g'; }

# send KEY METHOD URL BODY [HEADER]: makes a request, and sets $status, $head and $body. Key and body reach curl over stdin:
# its arguments are in the list of processes, for everybody to read. printf is part of the shell.
send() {
  answer=$(
    {
      printf 'header = %s\n' "$(quoted "Authorization: Bearer $1")"
      printf 'header = "Accept: application/json, text/event-stream"\n'
      [ -z "${5-}" ] || printf 'header = %s\n' "$(quoted "$5")"
      [ -z "$4" ] || printf 'header = "Content-Type: application/json"\ndata-raw = %s\n' "$(quoted "$4")"
    } | curl -q --config - --silent --show-error --max-time 120 --include --request "$2" "$3" | tr -d '\r'
  )
  [ -n "$answer" ] || die "$2 $3: no answer; is bearerd running, with an admin block?"
  head=$(printf '%s\n' "$answer" | sed '/^$/,$d')
  body=$(printf '%s\n' "$answer" | sed '1,/^$/d')
  status=$(printf '%s\n' "$head" | sed -n '1s/^[^ ]* \([0-9]*\).*/\1/p')
}

# api METHOD PATH [BODY]: the same of bearerd, which must agree.
api() {
  send "$key" "$1" "$url$2" "${3-}"
  case $status in
  2*) ;;
  *) die "$1 $2: $status: $body" ;;
  esac
}

# The request, of what is set.

oauth=
add() { # NAME VALUE: VALUE is JSON
  oauth="$oauth${oauth:+,}\"$1\":$2"
}
text() { # NAME VALUE: nothing where VALUE is empty
  [ -z "$2" ] || add "$1" "$(quoted "$2")"
}
text client_id "${OAUTH_CLIENT_ID-}"
text client_secret "${OAUTH_CLIENT_SECRET-}"
text authorize_url "${OAUTH_AUTHORIZATION_URL-}"
text token_url "${OAUTH_TOKEN_URL-}"
text registration_url "${OAUTH_REGISTRATION_URL-}"
text server_url "${OAUTH_SERVER_URL-}"
text resource "${OAUTH_RESOURCE-}"
text grant_type "${OAUTH_GRANT_TYPE-}"
text oauth_version "${OAUTH_VERSION-}"
[ -z "${OAUTH_ENFORCE_HTTPS-}" ] || add enforce_https "$OAUTH_ENFORCE_HTTPS"
scopes=
for scope in ${OAUTH_SCOPE-}; do scopes="$scopes${scopes:+,}$(quoted "$scope")"; done
[ -z "$scopes" ] || add scopes "[$scopes]"

say "1. POST /api/mcp/client: making $name of $MCP_URL"
api POST /api/mcp/client "{\"name\":$(quoted "$name"),\"connection_type\":\"http\",\"connection_string\":$(quoted "$MCP_URL"),\
\"auth_type\":\"oauth\",\"oauth_config\":{$oauth},\"tools_to_execute\":[\"*\"]}"
made=yes
id=$(field oauth_config_id)
client=$(field mcp_client_id)
state=$(field status)
authorize_url=$(field authorize_url)
say "   $state: mcp_client_id $client, oauth_config_id $id"

if [ "$state" = pending_oauth ]; then
  say "2. A person must approve. Open this address in a browser of this machine; it works once:"
  say "   $authorize_url"
  if [ -n "${APPROVE-}" ]; then
    $APPROVE "$authorize_url" >&2 || die "the command in APPROVE failed"
  fi
  while :; do
    api GET "/api/oauth/config/$id/status"
    state=$(field status)
    case $state in
    pending) sleep 1 ;;
    authorized) break ;;
    *) die "the sign-in has ended: $body" ;;
    esac
  done
else
  say "2. Nobody needs to approve: the token is there."
fi

say "3. POST /api/mcp/client/$client/complete-oauth: one call to the server with the token"
api POST "/api/mcp/client/$client/complete-oauth"
say "   $(field message)"

# The local key opens this server at the local proxy, and nothing else. A client of yours keeps both in its configuration.
say "4. Using the tools through the local proxy"
api GET "/api/servers/$name/key/guide"
local_key=$(field key)
local_url=$(field url)

# mcp JSON [HEADER]: one message of MCP (Streamable HTTP, 2025-11-25). The answer is JSON, or an event whose data is.
mcp() {
  send "$local_key" POST "$local_url" "$@"
  case $status in
  2*) ;;
  *) die "the MCP server: $status: $body" ;;
  esac
}
mcp '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"guide.sh","version":"1"}}}'
session=$(printf '%s\n' "$head" | grep -i '^mcp-session-id:' || :)
mcp '{"jsonrpc":"2.0","method":"notifications/initialized"}' "$session"
mcp '{"jsonrpc":"2.0","id":2,"method":"tools/list"}' "$session"
tools=$(printf '%s\n' "$body" | grep -o '"name":"[^"]*"' | sed 's/^"name":"/tool: /; s/"$//') || die "no tools: $body"
printf '%s\n' "$tools"
[ -z "$session" ] || send "$local_key" DELETE "$local_url" '' "$session"

say "5. POST /api/servers/$name/refresh: a new token"
api GET "/api/mcp/client/$client"
case $body in
*'"renewable":false'*) say "   not possible: the provider gave no refresh token, so a person signs in again when it ends" ;;
*)
  before=$(field fingerprint)
  api POST "/api/servers/$name/refresh"
  printf 'refreshed: %s, before %s\n' "$(field fingerprint)" "$before"
  ;;
esac

say "6. GET /api/oauth/config/$id/status"
api GET "/api/oauth/config/$id/status"
printf 'status: %s\n' "$body"

say "7. DELETE /api/oauth/config/$id: the tokens are revoked at the provider; the server stays, without OAuth"
api DELETE "/api/oauth/config/$id"
printf 'revoked: %s\n' "$(field message)"

say "8. DELETE /api/mcp/client/$client: the server goes too"
api DELETE "/api/mcp/client/$client"
say "   done"
