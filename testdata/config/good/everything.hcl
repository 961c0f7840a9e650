log {
  level  = "debug"
  format = "json"
}

store "file" {
  path     = "~/state"
  identity = file("identity.txt")
}

proxy {
  listen        = "localhost:8411"
  local_auth    = "none"
  allow_hosts   = ["mcp.internal"]
  allow_origins = ["https://app.example.com"]
}

admin {
  listen = "unix:admin.sock"
}

server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  env = { LOG_LEVEL = "debug", API_KEY = secret("api/key") }
  pass_env = ["SSH_AUTH_SOCK"]
  dir = "work"
  inject_env = ["GITHUB_TOKEN"]
  token_file = "token"
  token_file_mode = "0640"
  token_file_group = "mcp"
  stop_grace = "500ms"
  kill_grace = "1m"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
server "tickets" {
  url = "https://mcp.example.com/mcp"
  headers = { "X-Team" = "a" }
  listen = "127.0.0.1:8001"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    is_remote = true
    OAUTH_VERSION = "2.1"
    OAUTH_GRANT_TYPE = "client_credentials"
    OAUTH_AUDIENCE = "https://api.example.com"
    OAUTH_ORGANIZATION = "org-123"
    OAUTH_SCOPE = ["read", "write"]
    OAUTH_RESOURCE = ["https://a.example.com", "urn:example:b"]
    OAUTH_REVOCATION_URL = "HTTPS://auth.example.com/revoke"
    OAUTH_ADDITIONAL_PARAMS = { realm = "r", n = 12, ok = true, key = credential("param") }
    OAUTH_CUSTOM_HEADERS = { "X-Custom-Header" = file("~/header") }
  }
}

server "legacy" {
  command = "npx"
  args    = ["-y", "mcp-remote", "https://mcp.example.com", "--header", "X-Key:$${KEY}"]
  via     = "header"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
