# want: role_id is required and cannot be empty for auth "approle"
# want: secret_id is required and cannot be empty for auth "approle"
vault {
  address = "https://vault.example.com:8200"
  auth "approle" {
    wrapped = true
  }
}
