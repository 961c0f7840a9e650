# want: auth is declared twice
vault {
  address = "https://vault.example.com:8200"
  auth "kubernetes" {
    role = "r"
  }
  auth "token" {
    token = env("T")
  }
}
