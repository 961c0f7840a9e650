# Programs on stdin and stdout, and what happens to each as its token ends (on_rotate) or it ends by itself (restart).
# An MCP client starts them as `bearerd exec NAME`. docs/delivery.md says how to choose.

# The default: a fresh process takes over, and the client's session goes on.
server "search" {
  command = "uvx"
  args    = ["acme-search-mcp"]
  env     = { ACME_KEY = secret("acme") }
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = secret("search")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}

# Its calls may last longer than a token: they are let finish. It is started again however it ends.
server "reports" {
  command        = "npx"
  args           = ["-y", "acme-reports-mcp"]
  on_rotate_busy = "wait"
  restart        = "always"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = secret("reports")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}

# It keeps an open browser, which a fresh process would not have. It reads its token from a file, again on SIGHUP.
server "browser" {
  command    = "acme-browser-mcp"
  args       = ["--token-file", "/run/user/1000/acme-token"]
  token_file = "/run/user/1000/acme-token"
  on_rotate  = "signal"
  signal     = "SIGHUP"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = secret("browser")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}

# It locks its index, so that two processes of it cannot run at once.
server "notes" {
  command   = "acme-notes-mcp"
  on_rotate = "restart"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = secret("notes")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}

# A remote server for a client that speaks over stdio alone: no mcp-remote, no Node.js.
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = secret("tickets")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
