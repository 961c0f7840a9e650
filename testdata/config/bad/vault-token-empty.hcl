# want: token is required and cannot be empty for auth "token"
vault {
  address = "https://vault.example.com:8200"
  auth "token" {
    token = ""
  }
}
