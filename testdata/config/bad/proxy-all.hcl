# want: listen is open to other hosts
proxy {
  listen = "0.0.0.0:7411"
}
