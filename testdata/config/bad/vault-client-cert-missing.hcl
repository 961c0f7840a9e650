# want: client certificate for Vault not found: /nonexistent/c.pem
# want: client key for Vault not found: /nonexistent/k.pem
vault {
  address = "https://vault.example.com:8200"
  client_cert_path = "/nonexistent/c.pem"
  client_key_path = "/nonexistent/k.pem"
  auth "token" {
    token = env("T")
  }
}
