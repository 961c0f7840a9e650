# want: socket_group needs a listen on a unix socket
# want: socket_mode needs a listen on a unix socket
proxy {
  socket_mode  = "0660"
  socket_group = "mcp"
}
