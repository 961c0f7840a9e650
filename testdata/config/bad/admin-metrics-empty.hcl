# want: metrics_listen must be HOST:PORT or unix:PATH
admin {
  metrics_listen = ""
}
