# want: metrics_key must be at least 20 characters
admin {
  metrics_key = "nineteen characters"
}
