server "replay" {
  command        = "uvx"
  on_rotate      = "replay"
  on_rotate_busy = "wait"
  restart        = "always"
}
server "restart" {
  command   = "uvx"
  on_rotate = "restart"
  restart   = "never"
}
server "none" {
  command   = "uvx"
  on_rotate = "none"
  restart   = "on_failure"
}
server "signal" {
  command    = "uvx"
  on_rotate  = "signal"
  signal     = "SIGUSR1"
  token_file = "/run/user/1000/search-token"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
