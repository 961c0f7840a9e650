vault {
  address = "https://vault.example.com:8200"
  auth "jwt" {
    role = "r"
    jwt = secret("jwt")
  }
}
