# want: CA bundle for Vault not found: /nonexistent/ca.pem
vault {
  address = "https://vault.example.com:8200"
  ca_path = "/nonexistent/ca.pem"
  auth "token" {
    token = env("T")
  }
}
