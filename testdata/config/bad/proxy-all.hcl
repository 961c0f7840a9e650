# want: listen is open to other hosts
proxy {
  listen = ":7411"
}
