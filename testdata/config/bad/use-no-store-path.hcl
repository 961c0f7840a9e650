# want: use needs a store with a path: by it others tell that the tokens are not their own
use {
  socket = "/run/bearerd/use.sock"
}
