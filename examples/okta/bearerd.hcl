# Okta, with the custom authorization server "default" of dev-123456.okta.com.

# No person: an app integration "API Services".
server "reports" {
  url                = "https://mcp.example.com/mcp"
  revoke_on_shutdown = true
  oauth_config {
    enabled              = true
    OAUTH_VERSION        = "2.1"
    OAUTH_CLIENT_ID      = "0oa1example"
    OAUTH_CLIENT_SECRET  = secret("okta")
    OAUTH_TOKEN_URL      = "https://dev-123456.okta.com/oauth2/default/v1/token"
    OAUTH_REVOCATION_URL = "https://dev-123456.okta.com/oauth2/default/v1/revoke"
    OAUTH_SCOPE          = "reports.read" # Okta wants at least one
  }
}

# A person signs in once, with an app integration "OIDC, Native Application".
server "tracker" {
  url = "https://mcp.example.com/tracker"
  oauth_config {
    enabled                 = true
    OAUTH_VERSION           = "2.1"
    OAUTH_GRANT_TYPE        = "authorization_code"
    OAUTH_CLIENT_ID         = "0oa2example"
    OAUTH_AUTHORIZATION_URL = "https://dev-123456.okta.com/oauth2/default/v1/authorize"
    OAUTH_TOKEN_URL         = "https://dev-123456.okta.com/oauth2/default/v1/token"
    OAUTH_REVOCATION_URL    = "https://dev-123456.okta.com/oauth2/default/v1/revoke"
    OAUTH_SCOPE             = "openid offline_access issues.read"
  }
}
