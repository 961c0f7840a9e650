# warn: bearerd login listens on loopback only: it cannot take the answer that is sent to OAUTH_REDIRECT_URI
admin {
  public_url     = "https://bearerd.example.com:443/"
  conf_dir       = "made"
  allow_stdio    = true
  allow_private  = ["localhost", "10.1.0.0/16", "::1"]
  metrics_listen = "0.0.0.0:9090"
  metrics_key    = secret("metrics-key")
}

server "ours" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled            = true
    OAUTH_GRANT_TYPE   = "authorization_code"
    OAUTH_REDIRECT_URI = "https://bearerd.example.com/api/oauth/callback"
  }
}

server "loopback" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled            = true
    OAUTH_GRANT_TYPE   = "authorization_code"
    OAUTH_REDIRECT_URI = "http://127.0.0.1:7412/api/oauth/callback"
  }
}

server "elsewhere" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled            = true
    OAUTH_GRANT_TYPE   = "authorization_code"
    OAUTH_REDIRECT_URI = "https://bearerd.example.com/callback"
  }
}
