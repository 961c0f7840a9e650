# want: use needs a socket
store "file" { path = "/var/lib/bearerd" }
use {
  mode = "0660"
}
