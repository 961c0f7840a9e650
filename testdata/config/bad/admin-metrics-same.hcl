# want: metrics_listen is the address of admin too
admin {
  metrics_listen = "localhost:7412"
}
