# Microsoft Entra ID. TENANT-ID is that of the directory, CLIENT-ID of this client, API-ID of the application that is the MCP server.
# Entra knows the server by the scope. It refuses a resource parameter (AADSTS9010010): none is sent.

# No person: application permissions, by a client secret. With /.default alone.
server "reports" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_VERSION       = "2.1"
    OAUTH_CLIENT_ID     = "CLIENT-ID"
    OAUTH_CLIENT_SECRET = secret("entra")
    OAUTH_TOKEN_URL     = "https://login.microsoftonline.com/TENANT-ID/oauth2/v2.0/token"
    OAUTH_SCOPE         = "api://API-ID/.default"
    OAUTH_RESOURCE      = ""
  }
}

# A person signs in once, with a public client.
server "tracker" {
  url = "https://mcp.example.com/tracker"
  oauth_config {
    enabled                 = true
    OAUTH_VERSION           = "2.1"
    OAUTH_GRANT_TYPE        = "authorization_code"
    OAUTH_CLIENT_ID         = "CLIENT-ID"
    OAUTH_AUTHORIZATION_URL = "https://login.microsoftonline.com/TENANT-ID/oauth2/v2.0/authorize"
    OAUTH_TOKEN_URL         = "https://login.microsoftonline.com/TENANT-ID/oauth2/v2.0/token"
    OAUTH_REDIRECT_URI      = "http://localhost:7413/callback"
    OAUTH_SCOPE             = "api://API-ID/mcp.tools offline_access"
    OAUTH_RESOURCE          = ""
  }
}
