# want: mode must be an octal mode within 0666, such as "0660"
store "file" { path = "/var/lib/bearerd" }
use {
  socket = "/run/bearerd/use.sock"
  mode   = "0777"
}
