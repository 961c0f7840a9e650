# Use case 4 of the guide: Keycloak, with a parameter of its own in the token request.

server "keycloak" {
  url = "https://mcp.example.com/mcp"

  oauth_config {
    enabled             = true
    OAUTH_VERSION       = "2.0"
    OAUTH_CLIENT_ID     = "keycloak-client"
    OAUTH_CLIENT_SECRET = env("KEYCLOAK_CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://keycloak.example.com/realms/myrealm/protocol/openid-connect/token"
    OAUTH_AUDIENCE      = "account"
    OAUTH_SCOPE         = "openid profile email"

    OAUTH_ADDITIONAL_PARAMS = {
      realm = "myrealm"
    }
  }
}
