# want: socket lies in the state folder, which lets nobody else in
store "file" { path = "/var/lib/bearerd" }
use {
  socket = "/var/lib/bearerd/use.sock"
}
