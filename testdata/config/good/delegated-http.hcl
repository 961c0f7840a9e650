# warn: OAUTH_AUTHORIZATION_URL uses http, in clear on this host
# warn: OAUTH_DEVICE_AUTHORIZATION_URL uses http: secrets and tokens cross the network in clear
# warn: OAUTH_REGISTRATION_URL uses http, in clear on this host
# warn: OAUTH_SERVER_URL uses http, in clear on this host
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_ENFORCE_HTTPS = false
    OAUTH_AUTHORIZATION_URL = "http://127.0.0.1:9000/a"
    OAUTH_DEVICE_AUTHORIZATION_URL = "http://auth.example.com/d"
    OAUTH_REGISTRATION_URL = "http://localhost:9000/r"
    OAUTH_SERVER_URL = "http://[::1]:9000/mcp"
  }
}
