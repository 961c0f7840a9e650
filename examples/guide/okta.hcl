# Use case 5 of the guide: Okta with token revocation.
# `bearerd revoke okta` revokes the token; revoke_on_shutdown does so when `bearerd run` stops.

server "okta" {
  url                = "https://mcp.example.com/mcp"
  revoke_on_shutdown = true

  oauth_config {
    enabled              = true
    OAUTH_VERSION        = "2.0"
    OAUTH_CLIENT_ID      = "okta-client-id"
    OAUTH_CLIENT_SECRET  = secret("okta")
    OAUTH_TOKEN_URL      = "https://dev-123456.okta.com/oauth2/default/v1/token"
    OAUTH_REVOCATION_URL = "https://dev-123456.okta.com/oauth2/default/v1/revoke"
    OAUTH_AUDIENCE       = "api://default"
    OAUTH_SCOPE          = "custom.scope"
  }
}
