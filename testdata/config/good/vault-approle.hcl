vault {
  address = "https://vault.example.com:8200"
  namespace = "team/a"
  mount = "kv/team-1"
  timeout = "5s"
  tls_server_name = "vault.internal"
  auth "approle" {
    role_id = "5f8e"
    secret_id = credential("vault-secret-id")
    wrapped = true
    mount = "team/approle"
  }
}
store "vault" {
  mount = "kv"
  prefix = "bearerd/prod"
}
store "file" {
  path = "~/state"
}
server "tickets" {
  url = "https://mcp.example.com/mcp"
  headers = { X-Up = vault("mcp/up", "key") }
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_CLIENT_SECRET = vault("mcp/tickets", "client_secret")
    OAUTH_CUSTOM_HEADERS = { X-Key = vault("mcp/tickets", "key") }
    OAUTH_ADDITIONAL_PARAMS = { p = vault("mcp/tickets", "p") }
  }
}
server "local" {
  command = "a"
  env = { KEY = vault("mcp/local", "key") }
}
