# want: allow_private: "10.0.0" is no host name, address or network
# want: allow_private: "10.0.0.0/33" is no host name, address or network
# want: allow_private: "*.example.com" is no host name, address or network
# want: allow_private: "" is no host name, address or network
# want: allow_private: "auth.example.com:…" is no host name, address or network
# want: allow_private: "https:…" is no host name, address or network
server "tickets" {
  url = "https://mcp.example.com/mcp"
  allow_private = ["", "10.0.0", "10.0.0.0/33", "*.example.com", "auth.example.com:8443", "https://auth.example.com"]
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
  }
}
