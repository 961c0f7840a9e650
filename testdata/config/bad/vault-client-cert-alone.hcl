# want: client certificate for Vault not found: /nonexistent/c.pem
# want: client_key_path is required for a client certificate
vault {
  address = "https://vault.example.com:8200"
  client_cert_path = "/nonexistent/c.pem"
  auth "token" {
    token = env("T")
  }
}
