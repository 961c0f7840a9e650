# want: role is required and cannot be empty for auth "kubernetes"
vault {
  address = "https://vault.example.com:8200"
  auth "kubernetes" {
  }
}
