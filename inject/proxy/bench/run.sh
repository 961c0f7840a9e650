#!/bin/bash
# Compares `bearerd run` with nginx as a proxy that adds a bearer token: requests a second at 1 and 32 connections, and
# the proxy's CPU time for each request. Both have the same upstream (another nginx that answers 176 bytes of JSON), get
# the same POST of 108 bytes from wrk, and take turns; the figures are medians of the turns.
#
#   run.sh [TURNS] [SECONDS]     default: 5 turns of 3 seconds, about two minutes
#   PORT=18700                   the first of three free ports
set -euo pipefail
umask 077
turns=${1:-5} seconds=${2:-3} port=${PORT:-18700}
cd "$(dirname "$0")/../../.."

PATH=$PATH:/usr/sbin
missing=
for program in go nginx wrk; do
	command -v "$program" >/dev/null || missing+=" $program"
done
if [ -n "$missing" ]; then
	echo "bench: not found:$missing (on Debian: apt-get install nginx-light wrk)" >&2
	exit 1
fi

dir=$(mktemp -d)
pids=()
stop() {
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
	wait
	rm -rf "$dir"
}
trap stop EXIT

# serve NAME PORT WORKERS HTTP-BLOCK: an nginx of its own, in the foreground of a background job.
serve() {
	mkdir "$dir/$1"
	cat >"$dir/$1.conf" <<-CONF
		daemon off; worker_processes $3; pid $dir/$1/pid; error_log $dir/$1.log;
		events { worker_connections 1024; }
		http {
		  access_log off; keepalive_requests 1000000000; default_type application/json;
		  client_body_temp_path $dir/$1/b; proxy_temp_path $dir/$1/p; fastcgi_temp_path $dir/$1/f;
		  uwsgi_temp_path $dir/$1/u; scgi_temp_path $dir/$1/s;
		  $4
		}
	CONF
	nginx -e "$dir/$1.log" -c "$dir/$1.conf" &
	pids+=($!)
}

answer='{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"'$(printf '%0103d' 0)'"}]}}'
serve upstream "$port" 1 "server { listen 127.0.0.1:$port; location / { return 200 '$answer'; } }"
serve nginx $((port + 1)) auto "
  upstream mcp { server 127.0.0.1:$port; keepalive 64; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:$((port + 1)); location = /mcp {
    proxy_pass http://mcp; proxy_http_version 1.1; proxy_set_header Connection '';
    proxy_set_header Authorization 'Bearer 0123456789012345678901234567890123456789'; } }"
nginx_pid=${pids[1]}

go build -o "$dir/bearerd" ./cmd/bearerd
go build -o "$dir/as" ./inject/proxy/bench
mkfifo "$dir/token_url"
"$dir/as" >"$dir/token_url" &
pids+=($!)
read -r token_url <"$dir/token_url"
cat >"$dir/bearerd.hcl" <<CONF
log { level = "warn" }
store "file" { path = "$dir/state" }
proxy { listen = "127.0.0.1:$((port + 2))" }
server "mcp" {
  url = "http://127.0.0.1:$port/mcp"
  oauth_config {
    enabled             = true
    OAUTH_VERSION       = "2.0"
    OAUTH_ENFORCE_HTTPS = false
    OAUTH_CLIENT_ID     = "bench"
    OAUTH_CLIENT_SECRET = "bench"
    OAUTH_TOKEN_URL     = "$token_url"
  }
}
CONF
"$dir/bearerd" -c "$dir/bearerd.hcl" run 2>"$dir/bearerd.log" &
bearerd_pid=$!
pids+=($bearerd_pid)
for _ in $(seq 50); do
	key=$("$dir/bearerd" -c "$dir/bearerd.hcl" client-config mcp 2>>"$dir/client.log" | grep -o 'brd_[A-Za-z0-9_.-]*' | head -1) && break
	sleep 0.1
done
: "${key:?bearerd gave no local key: $(cat "$dir/client.log")}"

body='{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"query":"'
body+=$(printf '%0*d' $((108 - ${#body} - 4)) 0)'"}}}'
cat >"$dir/post.lua" <<LUA
wrk.method = "POST"
wrk.body = '$body'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json, text/event-stream"
wrk.headers["MCP-Protocol-Version"] = "2025-11-25"
wrk.headers["Authorization"] = "Bearer $key"
LUA

# ticks PID: the CPU time of a process and its children, in clock ticks.
ticks() {
	local total=0 pid t
	for pid in "$1" $(pgrep -P "$1" || true); do
		t=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f12,13)
		total=$((total + ${t% *} + ${t#* }))
	done
	echo $total
}

# measure TARGET CONNECTIONS SECONDS: one line "TARGET CONNECTIONS REQUESTS/S CPU-µs".
measure() {
	local url pid=$$ before after out
	case $1 in
	direct) url=http://127.0.0.1:$port/mcp pid=${pids[0]} ;;
	nginx) url=http://127.0.0.1:$((port + 1))/mcp pid=$nginx_pid ;;
	bearerd) url=http://127.0.0.1:$((port + 2))/mcp pid=$bearerd_pid ;;
	esac
	before=$(ticks "$pid")
	out=$(wrk -t1 -c"$2" -d"$3"s -s "$dir/post.lua" "$url")
	after=$(ticks "$pid")
	if grep -qE 'Non-2xx|Socket errors' <<<"$out"; then
		echo "bench: $1 failed: $out" >&2
		cat "$dir"/*.log >&2
		return 1
	fi
	awk -v t="$1" -v c="$2" -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" '
		/requests in/ { n = $1 } /Requests\/sec/ { rps = $2 }
		END { printf "%s %d %.0f %.1f\n", t, c, rps, ticks * 1e6 / hz / n }' <<<"$out"
}

targets=(direct nginx bearerd)
for target in "${targets[@]}"; do measure "$target" 32 1 >/dev/null; done # warm up
for ((turn = 0; turn < turns; turn++)); do
	for connections in 1 32; do
		for i in 0 1 2; do
			measure "${targets[(turn + i) % 3]}" $connections "$seconds" >>"$dir/results"
		done
	done
done

echo "$(nproc) cores; wrk and upstream run on them too; medians of $turns turns of $seconds s; $(nginx -v 2>&1)"
sort -k1,1 -k2,2n "$dir/results" | awk '
	function median(list,   a, n, i, j, x) {
		n = split(list, a, " ")
		for (i = 2; i <= n; i++) for (j = i; j > 1 && a[j - 1] + 0 > a[j] + 0; j--) { x = a[j]; a[j] = a[j - 1]; a[j - 1] = x }
		return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
	}
	{ rps[$1, $2] = rps[$1, $2] " " $3; cpu[$1, $2] = cpu[$1, $2] " " $4 }
	END {
		printf "%-12s %12s %12s %12s %8s   %s\n", "connections", "direct/s", "nginx/s", "bearerd/s", "ratio", "CPU µs/request: nginx, bearerd, ratio"
		for (c = 1; c <= 32; c += 31) {
			n = median(rps["nginx", c]); b = median(rps["bearerd", c]); cn = median(cpu["nginx", c]); cb = median(cpu["bearerd", c])
			printf "%-12d %12.0f %12.0f %12.0f %8.2f   %.1f, %.1f, %.2f\n", c, median(rps["direct", c]), n, b, b / n, cn, cb, cb / cn
		}
		for (k in rps) { split(k, p, SUBSEP); printf "  %s at %d:%s\n", p[1], p[2], rps[k] | "sort" }
	}'
