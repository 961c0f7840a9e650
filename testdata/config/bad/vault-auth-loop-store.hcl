# want: jwt: secret(…) is kept in Vault by store "vault", and cannot be read before the login
vault {
  address = "https://vault.example.com:8200"
  auth "jwt" {
    role = "r"
    jwt = secret("j")
  }
}
store "vault" {}
