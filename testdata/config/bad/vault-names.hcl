# want: namespace holds a character that it may not hold
# want: tls_server_name holds a character that it may not hold
vault {
  address = "https://vault.example.com:8200"
  namespace = "a b"
  tls_server_name = "a\nb"
  auth "token" {
    token = env("T")
  }
}
