# want: allow_hosts has a meaning for url servers only
# want: allow_origins has a meaning for url servers only
# want: allow_remote has a meaning for url servers only
# want: headers has a meaning for url servers only
# want: listen has a meaning for url servers only
# want: local_auth has a meaning for url servers only
# want: replay has a meaning for url servers and for mcp-remote behind the local proxy only
# want: socket_group has a meaning for url servers only
# want: socket_mode has a meaning for url servers only
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  headers = {}
  listen = "127.0.0.1:1"
  local_auth = "none"
  allow_hosts = []
  allow_origins = []
  allow_remote = true
  replay = "always"
  socket_mode = "0660"
  socket_group = "mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
