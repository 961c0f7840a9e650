package config

// Words of docs/configuration.md. What follows from the code is not written here: a type or a default that is empty.
var wordsOf = map[string][]Attribute{
	"log": {
		{Name: "level", Meaning: "`debug`, `info`, `warn` or `error`"},
		{Name: "format", Meaning: "`text`, `json`, or `auto`: text on a terminal, else JSON"},
	},
	"vault": {
		{Name: "address", Default: "required; VAULT_ADDR", Meaning: "https, or http on loopback; no user name, query or fragment"},
		{Name: "namespace", Default: "VAULT_NAMESPACE", Meaning: "the namespace of every request"},
		{Name: "mount", Meaning: "the KV v2 engine that `vault()` reads"},
		{Name: "ca_path", Default: "VAULT_CACERT, else the system's roots", Meaning: "the certificate authorities trusted instead, PEM"},
		{Name: "client_cert_path", Default: "VAULT_CLIENT_CERT", Meaning: "a client certificate, PEM; needs `client_key_path`"},
		{Name: "client_key_path", Default: "VAULT_CLIENT_KEY", Meaning: "its key, PEM"},
		{Name: "tls_server_name", Default: "VAULT_TLS_SERVER_NAME, else the host of `address`", Meaning: "the name that Vault's certificate must have"},
		{Name: "timeout", Meaning: "of one request, from `\"1s\"` to `\"1m\"`"},
	},
	"auth \"METHOD\"": {
		{Name: "mount", Default: "METHOD", Meaning: "where the method is mounted, without `auth/`"},
		{Name: "token", Default: "VAULT_TOKEN", Meaning: "`token`: the Vault token. VAULT_TOKEN is looked at with this method only"},
		{Name: "role_id", Default: "required", Meaning: "`approle`: no secret by itself"},
		{Name: "secret_id", Default: "required", Meaning: "`approle`: the secret id, or with `wrapped` the token that wraps it"},
		{Name: "wrapped", Meaning: "`approle`: `secret_id` is a wrapping token: it is unwrapped once, and the secret id then kept in the state " +
			"folder"},
		{Name: "role", Default: "required; with `cert` the one that the certificate matches", Meaning: "`kubernetes`, `jwt`, `cert`: the role to log in to"},
		{Name: "jwt", Default: "`kubernetes`: `file(\"/var/run/secrets/kubernetes.io/serviceaccount/token\")`; `jwt`: required", Meaning: "`kubernetes`, `jwt`: the token to show, read at each login"},
	},
	"store \"vault\"": {
		{Name: "mount", Meaning: "a KV v2 engine"},
		{Name: "prefix", Meaning: "what every path begins with"},
	},
	"store \"file\"": {
		{Name: "path", Default: "`$XDG_STATE_HOME/bearerd`, else `~/.local/state/bearerd`", Meaning: "the state folder; its path has at most 86 bytes, so that a socket fits into it"},
		{Name: "identity", Type: "`file()` or `credential()`", Default: "made at first start, in the state folder", Meaning: "the file of age identities that open the records, one a line, as `age-keygen` makes them; the first one is what they are encrypted to"},
	},
	"proxy": {
		{Name: "listen", Meaning: "`HOST:PORT`, or `unix:PATH` with a path under 100 bytes"},
		{Name: "local_auth", Meaning: "`key`: a caller shows the key of the server; `none`: anyone on this machine may call"},
		{Name: "allow_hosts", Meaning: "Host headers accepted beside loopback names"},
		{Name: "allow_origins", Meaning: "Origin headers accepted beside loopback origins"},
		{Name: "allow_remote", Meaning: "listen on an address that is not loopback; needs `local_auth = \"key\"`. Keys and answers then cross the network " +
			"in plain http"},
		{Name: "socket_mode", Default: "`\"0600\"`; with `socket_group` `\"0660\"`", Meaning: "the mode of a unix socket, within `0666` and at least `0600`; for a `listen` that is one"},
		{Name: "socket_group", Default: "bearerd's own", Meaning: "the group of a unix socket, by name or number; `check` says if it is not known. Who connects is looked at too: " +
			"see [delivery.md](delivery.md#local-callers)"},
		{Name: "fast_path", Meaning: "common requests to http upstreams are passed on by a short path of bearerd's own, all others by net/http: see " +
			"[delivery.md](delivery.md#the-fast-path)"},
		{Name: "max_connections", Meaning: "from 16 to 1000000: open connections of callers, over all listeners. One more takes the place of the one that " +
			"has been idle the longest; if none is idle it gets 503"},
		{Name: "max_head_bytes", Meaning: "from 4096 to 1048576: bytes of a request line with its headers: more is 431, from 4 KiB above it on at the " +
			"latest"},
		{Name: "max_body_bytes", Meaning: "from 4096 to 1073741824, and no less than `replay_bytes`: bytes of a request body: more is 413"},
		{Name: "max_answer_head_bytes", Meaning: "from 4096 to 16777216: bytes of the headers of upstream's answer: more is 502"},
		{Name: "replay_bytes", Meaning: "up to 67108864: bytes of a request body that are kept, so that the request can be sent again"},
		{Name: "head_timeout", Meaning: "this one and the next three from `\"1s\"` to `\"10m\"`: for a request line with its headers"},
		{Name: "body_timeout", Meaning: "without a byte of a request body: 408"},
		{Name: "idle_timeout", Meaning: "for a connection between two requests. A stream is no such connection: it may be silent for ever"},
		{Name: "write_timeout", Meaning: "for a caller to take a piece of an answer, of at most 64 KiB: else the connection is cut"},
	},
	"admin": {
		{Name: "listen", Meaning: "a loopback `HOST:PORT`, or `unix:PATH`"},
		{Name: "public_url", Default: "that of `listen`", Meaning: "where browsers reach the callback: `https://HOST` or `https://HOST:PORT`, without a path; http with a port on " +
			"loopback. See [Behind a reverse proxy](api.md#behind-a-reverse-proxy)"},
		{Name: "conf_dir", Default: "`conf.d` of the folder that is the configuration", Meaning: "where the API writes its servers. What is in it is read and followed with the rest, and it may be made later; a " +
			"`conf_dir` in a file of this folder is not followed"},
		{Name: "allow_stdio", Meaning: "the API may make servers that run a command"},
		{Name: "allow_private", Meaning: "host names, addresses and networks that servers made by the API may use although they are private"},
		{Name: "metrics_listen", Meaning: "a listener for `/metrics`, `/livez` and `/readyz` alone: `HOST:PORT` or `unix:PATH`; with `metrics_key` it may " +
			"be open to other hosts, which then send the key in plain http"},
		{Name: "metrics_key", Meaning: "a key that opens `/metrics` and nothing else, at least 20 characters, as `openssl rand -base64 24` prints them. " +
			"Where a reference has a shorter value, `/metrics` answers 503 to all but the admin key"},
	},
	"use": {
		{Name: "socket", Default: "required", Meaning: "its path, under 100 bytes, in a folder that those users may enter and only bearerd may write"},
		{Name: "mode", Default: "`\"0666\"`; with `group` `\"0660\"`", Meaning: "its mode. Who asks is looked at whatever it is"},
		{Name: "group", Default: "bearerd's own", Meaning: "its group, by name or number"},
	},
	"server \"NAME\"": {
		{Name: "moved_from", Meaning: "the name that it had before: its tokens come along. It may stay after that"},
		{Name: "command", Meaning: "the program of a stdio server"},
		{Name: "args", Meaning: "its arguments"},
		{Name: "env", Meaning: "variables that it gets: texts or references"},
		{Name: "pass_env", Meaning: "names of bearerd's own variables that it gets too"},
		{Name: "dir", Default: "bearerd's own", Meaning: "its working directory"},
		{Name: "url", Meaning: "the address of a Streamable HTTP server; https, or http on loopback (https alone where " +
			"[discovery](#oauth_config) begins there)"},
		{Name: "headers", Meaning: "headers added to each request to `url`: texts or references; not `Authorization`, `Host`, `Connection` and the " +
			"like"},
		{Name: "replay", Meaning: "of url servers and of mcp-remote with `via = \"proxy\"`: when a request that upstream refused with 401 is sent " +
			"again with a new token: if the answer says by a Bearer challenge that the token was the reason (`challenge`), " +
			"`always`, or `never`; see [delivery.md](delivery.md#when-upstream-refuses-a-token)"},
		{Name: "listen", Default: "the `proxy` block's listener", Meaning: "a listener of its own, at the path of `url`: `HOST:PORT` or `unix:PATH`"},
		{Name: "local_auth", Default: "that of `proxy`; `\"key\"` with its own `listen`", Meaning: "as in `proxy`"},
		{Name: "allow_hosts", Default: "that of `proxy`", Meaning: "as in `proxy`"},
		{Name: "allow_origins", Default: "that of `proxy`", Meaning: "as in `proxy`"},
		{Name: "allow_remote", Meaning: "as in `proxy`, for its own `listen`"},
		{Name: "socket_mode", Default: "as in `proxy`", Meaning: "as in `proxy`, for its own `listen`; nothing of it is inherited"},
		{Name: "socket_group", Default: "bearerd's own", Meaning: "as in `proxy`, for its own `listen`"},
		{Name: "inject_env", Default: "the six documented variables", Meaning: "the variables that carry the bare token, instead of the six; none that programs obey, such as `PATH` or `LD_*`"},
		{Name: "token_file", Meaning: "a file that holds the token too, replaced at each renewal, removed at stop; not in the state folder"},
		{Name: "token_file_mode", Meaning: "its mode, within `0660`"},
		{Name: "token_file_group", Meaning: "its group"},
		{Name: "via", Meaning: "how mcp-remote gets the token: `proxy`, or `header`: in a variable that its `--header` argument names"},
		{Name: "stop_grace", Meaning: "from closing its input to SIGTERM"},
		{Name: "kill_grace", Meaning: "from SIGTERM to SIGKILL; after SIGINT or SIGTERM to bearerd both together are at most 1.5 s, and a second " +
			"signal kills at once"},
		{Name: "on_rotate", Meaning: "what happens to a program that runs as its token ends: `replay`, `restart`, `signal`, `none`; see " +
			"[delivery.md](delivery.md#when-the-token-ends)"},
		{Name: "on_rotate_busy", Meaning: "what becomes of requests that are still open when it has ended: they get an error (`error`), or may finish " +
			"(`wait`)"},
		{Name: "signal", Meaning: "with `on_rotate = \"signal\"`: `SIGHUP`, `SIGUSR1` or `SIGUSR2`"},
		{Name: "restart", Default: "`\"on_failure\"` once it has answered, `\"never\"` before, and with `signal` and `none`", Meaning: "when a program that has ended by itself is started again: `never`, `on_failure` (another exit code than 0, or a " +
			"signal), `always`"},
		{Name: "revoke_on_shutdown", Meaning: "revoke its token when `bearerd run` stops; needs `OAUTH_REVOCATION_URL` unless it is discovered; not with " +
			"`refresh_token` and `authorization_code`, whose grant it would end"},
		{Name: "login", Meaning: "with `authorization_code`: a person signs in by `bearerd login` only (`command`), or also in a browser that a " +
			"request opens (`auto`)"},
		{Name: "allow_step_up", Meaning: "scopes that the server may demand beyond `OAUTH_SCOPE`"},
		{Name: "allow_private", Meaning: "host names, addresses and networks that metadata may name although they are private; those that this " +
			"configuration writes are allowed anyway"},
		{Name: "allow_users", Meaning: "names or numbers of the users who get its token at the [`use`](#use) socket, beside bearerd's own"},
		{Name: "allow_groups", Meaning: "the same for whoever is in one of these groups"},
	},
	"oauth_config": {
		{Name: "enabled", Default: "must be written", Meaning: "`false`: the server is delivered without a token"},
		{Name: "is_remote", Default: "detected", Meaning: "`true`: rewrite the arguments; `false`: use the environment"},
		{Name: "OAUTH_VERSION", Meaning: "`\"2.0\"` or `\"2.1\"`"},
		{Name: "OAUTH_GRANT_TYPE", Meaning: "`\"client_credentials\"`, `\"authorization_code\"`, or `\"refresh_token\"`: see " +
			"[vault.md](vault.md#one-refresh-token-many-processes)"},
		{Name: "OAUTH_CLIENT_ID", Default: "required; for `authorization_code` one is registered", Meaning: "the client"},
		{Name: "OAUTH_CLIENT_SECRET", Default: "required for `client_credentials` without mTLS or `OAUTH_PRIVATE_KEY_PATH`", Meaning: "its secret. Without one, the client of the other grants is a public one, and `OAUTH_USE_BASIC_AUTH` has no " +
			"meaning"},
		{Name: "OAUTH_PRIVATE_KEY_PATH", Meaning: "a key to sign with in place of a secret (`private_key_jwt`, RFC 7523), PEM: RSA, P-256, P-384, P-521 or " +
			"Ed25519. With mTLS too, this is what the client is known by"},
		{Name: "OAUTH_PRIVATE_KEY_ID", Meaning: "its `kid`"},
		{Name: "OAUTH_REFRESH_TOKEN", Default: "required for `refresh_token`", Meaning: "the refresh token to start from; two servers cannot have the same one. Not with another grant"},
		{Name: "OAUTH_TOKEN_URL", Default: "discovered; required for `refresh_token`", Meaning: "the token endpoint"},
		{Name: "OAUTH_AUTHORIZATION_URL", Default: "discovered", Meaning: "the authorization endpoint, of `authorization_code` only, as the next seven rows are; a query in it is kept"},
		{Name: "OAUTH_DEVICE_AUTHORIZATION_URL", Default: "discovered", Meaning: "the device authorization endpoint (RFC 8628), for `bearerd login --device`"},
		{Name: "OAUTH_REGISTRATION_URL", Default: "discovered", Meaning: "the registration endpoint (RFC 7591)"},
		{Name: "OAUTH_CLIENT_METADATA_URL", Meaning: "a client id metadata document of yours, https with a path: the client id where the authorization server takes " +
			"one"},
		{Name: "OAUTH_REDIRECT_URI", Default: "`\"http://127.0.0.1:7413/callback\"`", Meaning: "where the browser is sent back to: http with a port on `127.0.0.1`, `[::1]` or `localhost`. Under the " +
			"`public_url` of [`admin`](#admin), `/api/oauth/callback` is taken there; any other https is allowed with a " +
			"warning, as `bearerd login` listens on loopback only. A client that bearerd registers moves to the next port if " +
			"this one is taken"},
		{Name: "OAUTH_USE_PKCE", Meaning: "protect the code (RFC 7636). `false` needs `OAUTH_VERSION = \"2.0\"` and a client that authenticates"},
		{Name: "OAUTH_CODE_CHALLENGE_METHOD", Default: "`\"S256\"`, if the metadata has it", Meaning: "`\"S256\"`: use it whatever the metadata says"},
		{Name: "OAUTH_AUTHORIZATION_PARAMS", Meaning: "more parameters of the authorization request, such as `access_type = \"offline\"` for Google: texts, numbers, " +
			"booleans or references; none that another field sets"},
		{Name: "OAUTH_SERVER_URL", Default: "the server's own URL", Meaning: "where discovery begins; not with `refresh_token`"},
		{Name: "OAUTH_AUDIENCE", Meaning: "the `audience` parameter"},
		{Name: "OAUTH_ORGANIZATION", Meaning: "the `organization` parameter"},
		{Name: "OAUTH_SCOPE", Meaning: "the scopes, separated by spaces"},
		{Name: "OAUTH_RESOURCE", Meaning: "resource indicators (RFC 8707): absolute URIs; `\"\"` sends none"},
		{Name: "OAUTH_USE_BASIC_AUTH", Default: "as the metadata says, else `true`", Meaning: "`client_secret_basic`; `false`: `client_secret_post`"},
		{Name: "OAUTH_ENFORCE_HTTPS", Meaning: "`false` allows plain http, with `OAUTH_VERSION = \"2.0\"` only"},
		{Name: "OAUTH_TOKEN_IN_HEADER_ONLY", Meaning: "`false` sends the token in the URL of a `url` server, with `OAUTH_VERSION = \"2.0\"` only"},
		{Name: "OAUTH_VALIDATE_SCOPES", Meaning: "refuse a token with fewer scopes than requested"},
		{Name: "OAUTH_TOKEN_EXPIRY_BUFFER", Meaning: "seconds before expiry at which the token is renewed"},
		{Name: "OAUTH_USE_MTLS", Meaning: "show a client certificate (RFC 8705)"},
		{Name: "OAUTH_CLIENT_CERT_PATH", Default: "required with mTLS", Meaning: "its certificate, PEM"},
		{Name: "OAUTH_CLIENT_KEY_PATH", Default: "required with mTLS", Meaning: "its key, PEM"},
		{Name: "OAUTH_CA_BUNDLE_PATH", Default: "the system's roots", Meaning: "the certificate authorities trusted instead, PEM; with and without mTLS. A missing file is an error"},
		{Name: "OAUTH_REVOCATION_URL", Default: "discovered if something else is", Meaning: "the revocation endpoint (RFC 7009)"},
		{Name: "OAUTH_ADDITIONAL_PARAMS", Meaning: "more parameters of the token request: texts, numbers, booleans or references; none that another field sets"},
		{Name: "OAUTH_CUSTOM_HEADERS", Meaning: "more headers of the token request: texts or references; not `Authorization`, `Content-Type` and the like"},
	},
}
