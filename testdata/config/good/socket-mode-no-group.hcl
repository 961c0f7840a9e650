# warn: mode "0600" lets no member of group connect, which is a right to write
# warn: socket_mode "0600" lets no member of socket_group connect, which is a right to write
# warn: socket_mode "0640" lets no member of socket_group connect, which is a right to write
store "file" {
  path = "/tmp/bearerd-of-nobody"
}
use {
  socket = "/run/bearerd/use.sock"
  group  = "mcp"
  mode   = "0600"
}
proxy {
  listen       = "unix:/run/bearerd/proxy.sock"
  socket_group = "mcp"
  socket_mode  = "0600"
}
server "reading" {
  url          = "https://mcp.example.com/mcp"
  listen       = "unix:/run/bearerd/reading.sock"
  socket_group = "mcp"
  socket_mode  = "0640"
}
server "writing" {
  url          = "https://mcp.example.com/mcp"
  listen       = "unix:/run/bearerd/writing.sock"
  socket_group = "mcp"
  socket_mode  = "0620"
}
server "without" {
  url         = "https://mcp.example.com/mcp"
  listen      = "unix:/run/bearerd/without.sock"
  socket_mode = "0640"
}
