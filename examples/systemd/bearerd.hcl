# For /etc/bearerd: the state folder that systemd makes, and a secret that credentials.conf hands over.

store "file" { path = "/var/lib/bearerd" }

server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_VERSION       = "2.1"
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = credential("tickets")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
