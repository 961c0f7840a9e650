# want: role_id: vault(…) cannot be read before the login to Vault
# want: secret_id: vault(…) cannot be read before the login to Vault
vault {
  address = "https://vault.example.com:8200"
  auth "approle" {
    role_id = vault("a", "b")
    secret_id = vault("a", "c")
  }
}
