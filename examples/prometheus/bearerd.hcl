# Metrics for a Prometheus on the same host, which shows the key that only opens /metrics. Servers are in files beside this one.

admin {
  metrics_listen = "127.0.0.1:7414"
  metrics_key    = credential("metrics")
}
