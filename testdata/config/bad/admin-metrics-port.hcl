# want: metrics_listen has port 0, which is another one at each start
admin {
  metrics_listen = "127.0.0.1:0"
}
