vault {
  address = "https://vault.example.com:8200"
  auth "kubernetes" {
    role = "bearerd"
  }
}
