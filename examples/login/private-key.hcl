# No person, no secret: client credentials with private_key_jwt; the token URL is discovered.
# A key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ~/.certs/client-key.pem
# Its public half is for the provider: openssl pkey -in ~/.certs/client-key.pem -pubout

server "reports" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled                = true
    OAUTH_VERSION          = "2.1"
    OAUTH_CLIENT_ID        = "client-123"
    OAUTH_PRIVATE_KEY_PATH = "~/.certs/client-key.pem"
    OAUTH_PRIVATE_KEY_ID   = "2026-11"
  }
}
