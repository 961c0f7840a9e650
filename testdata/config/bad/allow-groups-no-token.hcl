# want: allow_groups needs an oauth_config that is enabled
store "file" { path = "/var/lib/bearerd" }
use {
  socket = "/run/bearerd/use.sock"
}
server "search" {
  command      = "uvx"
  allow_groups = ["mcp"]
}
