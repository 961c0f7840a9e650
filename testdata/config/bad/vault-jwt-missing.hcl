# want: jwt is required and cannot be empty for auth "jwt"
# want: role is required and cannot be empty for auth "jwt"
vault {
  address = "https://vault.example.com:8200"
  auth "jwt" {
    role = ""
  }
}
