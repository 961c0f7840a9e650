# want: mount begins with auth/, which belongs to the API's path
vault {
  address = "https://vault.example.com:8200"
  auth "approle" {
    role_id = "r"
    secret_id = env("S")
    mount = "auth/approle"
  }
}
