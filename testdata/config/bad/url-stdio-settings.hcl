# want: args has a meaning for servers with a command only
# want: dir has a meaning for servers with a command only
# want: env has a meaning for servers with a command only
# want: inject_env has a meaning for servers with a command only
# want: kill_grace has a meaning for servers with a command only
# want: pass_env has a meaning for servers with a command only
# want: stop_grace has a meaning for servers with a command only
# want: token_file has a meaning for servers with a command only
# want: via has a meaning for servers with a command only
server "tickets" {
  url = "https://mcp.example.com/mcp"
  args = []
  env = {}
  pass_env = []
  dir = "/"
  inject_env = ["A"]
  token_file = "/run/t"
  via = "proxy"
  stop_grace = "1s"
  kill_grace = "1s"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
