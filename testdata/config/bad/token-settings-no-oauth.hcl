# want: inject_env needs an oauth_config that is enabled
# want: revoke_on_shutdown needs an oauth_config that is enabled
# want: token_file needs an oauth_config that is enabled
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  inject_env = ["A"]
  token_file = "/run/t"
  revoke_on_shutdown = true
}
