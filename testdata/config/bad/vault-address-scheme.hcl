# want: address must start with https://
vault {
  address = "vault.example.com:8200"
  auth "token" {
    token = env("T")
  }
}
