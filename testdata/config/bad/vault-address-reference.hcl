# want: address must be a string, not a secret reference
vault {
  address = env("VAULT_ADDR")
  auth "token" {
    token = env("T")
  }
}
