# want: listen is the address of the proxy too
admin {
  listen = "localhost:7411"
}
