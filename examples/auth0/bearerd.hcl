# Auth0, tenant yourtenant. OAUTH_AUDIENCE is the identifier of the API, exactly as it stands in the dashboard.

# No person: a machine-to-machine application.
server "reports" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_VERSION       = "2.1"
    OAUTH_CLIENT_ID     = "your-m2m-client-id"
    OAUTH_CLIENT_SECRET = secret("auth0")
    OAUTH_TOKEN_URL     = "https://yourtenant.auth0.com/oauth/token"
    OAUTH_AUDIENCE      = "https://mcp.example.com/mcp"
    OAUTH_SCOPE         = "read:reports"
  }
}

# A person signs in once, with an application of the kind "Native".
server "tracker" {
  url = "https://mcp.example.com/tracker"
  oauth_config {
    enabled                 = true
    OAUTH_VERSION           = "2.1"
    OAUTH_GRANT_TYPE        = "authorization_code"
    OAUTH_CLIENT_ID         = "your-native-client-id"
    OAUTH_AUTHORIZATION_URL = "https://yourtenant.auth0.com/authorize"
    OAUTH_TOKEN_URL         = "https://yourtenant.auth0.com/oauth/token"
    OAUTH_REVOCATION_URL    = "https://yourtenant.auth0.com/oauth/revoke"
    OAUTH_AUDIENCE          = "https://mcp.example.com/tracker"
    OAUTH_SCOPE             = "openid offline_access read:issues"
  }
}
