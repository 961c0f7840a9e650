# want: wrapped must be true or false, not a string
vault {
  address = "https://vault.example.com:8200"
  auth "approle" {
    role_id = "r"
    secret_id = env("S")
    wrapped = "true"
  }
}
