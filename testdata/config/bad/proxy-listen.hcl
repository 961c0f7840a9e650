# want: listen must be HOST:PORT or unix:PATH
proxy {
  listen = "7411"
}
