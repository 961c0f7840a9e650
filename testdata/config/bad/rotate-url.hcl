# want: on_rotate has a meaning for servers with a command only
# want: on_rotate_busy has a meaning for servers with a command only
# want: restart has a meaning for servers with a command only
# want: signal has a meaning for servers with a command only
server "tickets" {
  url            = "https://mcp.example.com/mcp"
  on_rotate      = "replay"
  on_rotate_busy = "wait"
  restart        = "always"
  signal         = "SIGHUP"
}
