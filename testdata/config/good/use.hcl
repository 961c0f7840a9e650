store "file" { path = "/var/lib/bearerd" }
use {
  socket = "/run/bearerd/use.sock"
  mode   = "0660"
  group  = "mcp"
}
server "search" {
  command      = "uvx"
  allow_users  = ["anna", "1001"]
  allow_groups = ["mcp"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
