# want: socket_mode must be an octal mode within 0666, such as "0660"
proxy {
  listen      = "unix:/run/bearerd/proxy.sock"
  socket_mode = "0770"
}
