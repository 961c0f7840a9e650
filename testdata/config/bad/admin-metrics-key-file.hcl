# want: token_file is the key of metrics
admin {
  metrics_key = file("/run/key")
}

server "a" {
  command    = "uvx"
  token_file = "/run/key"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "id"
    OAUTH_CLIENT_SECRET = env("S")
    OAUTH_TOKEN_URL     = "https://auth.example.com/token"
  }
}
