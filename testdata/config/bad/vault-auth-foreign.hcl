# want: auth "approle" takes no jwt
# want: auth "approle" takes no role
# want: auth "approle" takes no token
vault {
  address = "https://vault.example.com:8200"
  auth "approle" {
    role_id = "r"
    secret_id = env("S")
    token = env("T")
    jwt = env("J")
    role = "r"
  }
}
