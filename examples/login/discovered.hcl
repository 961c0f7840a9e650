# A server that a person must approve: everything is discovered, the client registers itself.
# `bearerd login tracker` opens the browser once; from then on the token renews itself.

server "tracker" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled          = true
    OAUTH_VERSION    = "2.1"
    OAUTH_GRANT_TYPE = "authorization_code"
  }
}
