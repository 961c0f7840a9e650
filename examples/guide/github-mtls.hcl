# Use case 3 of the guide: mutual TLS (RFC 8705) at the token endpoint.
# Both files must exist and be readable by their owner alone: chmod 600. With a certificate the secret may be left out.

server "github" {
  command = "github-mcp-server"
  args    = ["stdio"]

  oauth_config {
    enabled                = true
    OAUTH_VERSION          = "2.0"
    OAUTH_CLIENT_ID        = "github-app-client-id"
    OAUTH_CLIENT_SECRET    = secret("github")
    OAUTH_TOKEN_URL        = "https://github.com/login/oauth/access_token"
    OAUTH_USE_MTLS         = true
    OAUTH_CLIENT_CERT_PATH = "~/.ssh/github-app.pem"
    OAUTH_CLIENT_KEY_PATH  = "~/.ssh/github-app-key.pem"
  }
}
