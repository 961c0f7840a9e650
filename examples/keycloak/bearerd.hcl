# Keycloak, realm myrealm. README.md beside it says what the client needs there.

# No person: the client's own service account.
server "reports" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_VERSION       = "2.1"
    OAUTH_CLIENT_ID     = "bearerd"
    OAUTH_CLIENT_SECRET = secret("keycloak")
    OAUTH_TOKEN_URL     = "https://keycloak.example.com/realms/myrealm/protocol/openid-connect/token"
    OAUTH_SCOPE         = "mcp-reports" # the client scope that has the audience mapper
  }
}

# A person signs in once; offline_access makes the grant outlive their session.
server "tracker" {
  url = "https://mcp.example.com/tracker"
  oauth_config {
    enabled                 = true
    OAUTH_VERSION           = "2.1"
    OAUTH_GRANT_TYPE        = "authorization_code"
    OAUTH_CLIENT_ID         = "bearerd-login" # public, "Standard flow", redirect URI http://127.0.0.1:7413/callback
    OAUTH_AUTHORIZATION_URL = "https://keycloak.example.com/realms/myrealm/protocol/openid-connect/auth"
    OAUTH_TOKEN_URL         = "https://keycloak.example.com/realms/myrealm/protocol/openid-connect/token"
    OAUTH_REVOCATION_URL    = "https://keycloak.example.com/realms/myrealm/protocol/openid-connect/revoke"
    OAUTH_SCOPE             = "openid offline_access mcp-tracker"
  }
}
