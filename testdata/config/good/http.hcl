# warn: OAUTH_TOKEN_URL uses http, in clear on this host
# warn: OAUTH_REVOCATION_URL uses http: secrets and tokens cross the network in clear
# warn: url uses http: the token crosses the network in clear
server "tickets" {
  url = "http://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_ENFORCE_HTTPS = false
    OAUTH_TOKEN_URL      = "http://127.0.0.1:9000/token"
    OAUTH_REVOCATION_URL = "http://auth.example.com/revoke"
  }
}
