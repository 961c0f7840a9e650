# warn: metrics_key is written into the configuration
admin {
  public_url  = "http://localhost:8080"
  metrics_key = "literal-that-is-long-enough"
}
