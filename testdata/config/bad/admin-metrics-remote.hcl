# want: metrics_listen is open to other hosts
admin {
  metrics_listen = "0.0.0.0:9090"
}
