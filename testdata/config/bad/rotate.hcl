# want: on_rotate must be one of replay, restart, signal, none
# want: on_rotate = "signal" needs token_file, which the server reads when it gets the signal
# want: on_rotate_busy must be one of error, wait
# want: on_rotate_busy needs on_rotate = "replay" or "restart"
# want: restart must be a string, not true or false
# want: restart must be one of never, on_failure, always
# want: signal must be one of SIGHUP, SIGUSR1, SIGUSR2
# want: signal needs on_rotate = "signal"
server "word" {
  command   = "uvx"
  on_rotate = "reload"
}
server "file" {
  command   = "uvx"
  on_rotate = "signal"
}
server "busy" {
  command        = "uvx"
  on_rotate_busy = "drop"
}
server "none" {
  command        = "uvx"
  on_rotate      = "none"
  on_rotate_busy = "wait"
}
server "bool" {
  command = "uvx"
  restart = true
}
server "restart" {
  command = "uvx"
  restart = "sometimes"
}
server "number" {
  command    = "uvx"
  on_rotate  = "signal"
  token_file = "/run/user/1000/token"
  signal     = "SIGKILL"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
server "unused" {
  command = "uvx"
  signal  = "SIGUSR1"
}
