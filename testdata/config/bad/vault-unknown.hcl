# want: unknown attribute "token"
vault {
  address = "https://vault.example.com:8200"
  token = env("T")
  auth "token" {
    token = env("T")
  }
}
