# want: token_file is what logs in to Vault
vault {
  address = "https://vault.example.com:8200"
  auth "token" {
    token = file("/nonexistent/vault-token")
  }
}
server "tickets" {
  command = "a"
  token_file = "/nonexistent/vault-token"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_CLIENT_SECRET = env("S")
  }
}
