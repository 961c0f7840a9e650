proxy {
  listen                = "unix:/run/bearerd/proxy.sock"
  socket_mode           = "0660"
  socket_group          = "mcp"
  fast_path             = false
  max_connections       = 16
  max_head_bytes        = 4096
  max_body_bytes        = 4096
  max_answer_head_bytes = 4096
  replay_bytes          = 0
  head_timeout          = "1s"
  body_timeout          = "10m"
  idle_timeout          = "90s"
  write_timeout         = "1m30s"
}
server "tickets" {
  url = "https://mcp.example.com/mcp"
  replay = "never"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
server "own" {
  url          = "https://mcp.example.com/mcp"
  listen       = "unix:/run/bearerd/own.sock"
  socket_group = "1001"
  replay       = "always"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
server "legacy" {
  command = "npx"
  args    = ["-y", "mcp-remote", "https://mcp.example.com/mcp"]
  replay  = "challenge"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
