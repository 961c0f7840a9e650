# want: client_cert_path is required for a client certificate
# want: client_key_path is required for a client certificate
vault {
  address = "https://vault.example.com:8200"
  auth "cert" {
  }
}
