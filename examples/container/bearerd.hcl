# For a container: mounted at /etc/bearerd, with the state folder on a volume.

store "file" { path = "/var/lib/bearerd" }

# The proxy listens on loopback, which is that of the container and of those that join its network.
# proxy {
#   listen       = "0.0.0.0:7411" # for a published port: it does not reach the container's loopback
#   allow_remote = true
# }

server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_VERSION       = "2.1"
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = secret("tickets")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
