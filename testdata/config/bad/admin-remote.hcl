# want: listen must be a loopback address
admin {
  listen = "0.0.0.0:7412"
}
