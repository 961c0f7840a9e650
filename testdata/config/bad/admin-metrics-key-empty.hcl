# want: metrics_key cannot be empty
admin {
  metrics_key = ""
}
