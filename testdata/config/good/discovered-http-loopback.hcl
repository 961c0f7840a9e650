# warn: OAUTH_ENFORCE_HTTPS is off: metadata may name endpoints that use http, in clear
server "tickets" {
  url = "http://127.0.0.1:9000/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_ENFORCE_HTTPS = false
  }
}
