# want: listen has port 0, which is another one at each start
proxy {
  listen = "127.0.0.1:0"
}
