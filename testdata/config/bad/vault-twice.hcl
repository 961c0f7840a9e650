# want: vault is declared twice
vault {
  address = "https://vault.example.com:8200"
  auth "token" {
    token = env("T")
  }
}
vault {
  address = "https://vault.example.com:8200"
  auth "token" {
    token = env("T")
  }
}
