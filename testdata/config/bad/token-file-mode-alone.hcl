# want: token_file_group needs token_file
# want: token_file_mode needs token_file
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  token_file_mode = "0640"
  token_file_group = "mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
