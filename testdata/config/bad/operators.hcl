# want: nested deeper than 64 levels
server "x" {
  command = "a"
  revoke_on_shutdown = !!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!true
}
