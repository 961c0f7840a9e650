# want: listen is the address of use too
store "file" { path = "/var/lib/bearerd" }
use {
  socket = "/run/bearerd/use.sock"
}
admin {
  listen = "unix:/run/bearerd/use.sock"
}
