# want: token_file lies in the state folder
store "file" {
  path = "/nonexistent/state"
}
server "x" {
  command    = "a"
  token_file = "/nonexistent/state/grant/x"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
