# Microsoft Entra ID: it refuses a resource parameter, and its metadata does not mention PKCE, which it supports.

server "entra" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled                     = true
    OAUTH_VERSION               = "2.1"
    OAUTH_GRANT_TYPE            = "authorization_code"
    OAUTH_CODE_CHALLENGE_METHOD = "S256"
    OAUTH_REDIRECT_URI          = "http://localhost:7413/callback"
    OAUTH_CLIENT_ID             = "00000000-0000-0000-0000-000000000000"
    OAUTH_SCOPE                 = "api://00000000-0000-0000-0000-000000000000/.default offline_access"
    OAUTH_RESOURCE              = ""
  }
}
