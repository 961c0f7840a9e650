# The configuration of the bearerd service. It is read again when it changes; `bearerd check -c /etc/bearerd` says what is wrong
# with it, `systemctl status bearerd` what is served. More files may stand beside it: *.hcl here and in conf.d.
# The manual is bearerd(1); /usr/share/doc/bearerd has more.

store "file" { path = "/var/lib/bearerd" } # the service's own folder, which systemd makes

# server "tickets" {                         # clients reach it at http://127.0.0.1:7411/tickets; `bearerd client-config tickets`
#   url = "https://mcp.example.com/mcp"
#   oauth_config {
#     enabled             = true
#     OAUTH_VERSION       = "2.1"
#     OAUTH_CLIENT_ID     = "client-123"
#     OAUTH_CLIENT_SECRET = credential("tickets") # see /usr/share/doc/bearerd/examples/systemd/credentials.conf
#     OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
#     OAUTH_SCOPE         = "read write"
#   }
# }
