# want: token_file needs an oauth_config that is enabled
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  token_file = "/run/t"
  oauth_config {
    enabled = false
  }
}
