# want: token_file_mode must be an octal mode within 0660, such as "0600" or "0640"
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  token_file = "/run/t"
  token_file_mode = "0644"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
