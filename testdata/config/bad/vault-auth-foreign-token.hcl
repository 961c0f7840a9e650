# want: auth "token" takes no role_id
# want: auth "token" takes no secret_id
# want: auth "token" takes no wrapped
vault {
  address = "https://vault.example.com:8200"
  auth "token" {
    token = env("T")
    role_id = "r"
    secret_id = env("S")
    wrapped = false
  }
}
