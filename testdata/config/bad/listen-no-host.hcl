# want: listen has no host
proxy {
  listen = ":17477"
}
