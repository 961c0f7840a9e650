# want: listen must be HOST:PORT or unix:PATH
proxy {
  listen = "127.0.0.1:70000"
}
