# want: allow_private may not name 0.0.0.0: bearerd never connects to such an address
# want: allow_private may not name 169.254.0.0/16: bearerd never connects to such an address
# want: allow_private may not name 224.0.0.1: bearerd never connects to such an address
# want: allow_private may not name ::ffff:169.254.169.254: bearerd never connects to such an address
# want: allow_private may not name fe80::1: bearerd never connects to such an address
server "tickets" {
  url = "https://mcp.example.com/mcp"
  allow_private = ["169.254.0.0/16", "::ffff:169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0"]
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
  }
}
