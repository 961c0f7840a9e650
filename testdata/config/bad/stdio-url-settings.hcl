# want: allow_hosts has a meaning for url servers only
# want: allow_origins has a meaning for url servers only
# want: allow_remote has a meaning for url servers only
# want: headers has a meaning for url servers only
# want: listen has a meaning for url servers only
# want: local_auth has a meaning for url servers only
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  headers = {}
  listen = "127.0.0.1:1"
  local_auth = "none"
  allow_hosts = []
  allow_origins = []
  allow_remote = true
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
