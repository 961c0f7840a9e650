# want: unknown block "vault"
vault {
  address = "https://vault.example.com"
}
