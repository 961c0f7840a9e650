# want: OAUTH_CLIENT_ID is required and cannot be empty for client_credentials grant
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_TOKEN_URL = "https://auth.example.com/oauth/token"
    OAUTH_PRIVATE_KEY_PATH = credential("key")
  }
}
