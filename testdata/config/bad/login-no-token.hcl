# want: allow_private needs an oauth_config that is enabled
# want: allow_step_up needs an oauth_config that is enabled
# want: login needs an oauth_config that is enabled
server "tickets" {
  url = "https://mcp.example.com/mcp"
  login = "auto"
  allow_step_up = ["write"]
  allow_private = ["10.0.0.8"]
  oauth_config {
    enabled = false
  }
}
