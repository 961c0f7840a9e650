# want: unknown attribute "path"
vault {
  address = "https://vault.example.com:8200"
  auth "token" {
    token = env("T")
  }
}
store "vault" {
  path = "x"
}
