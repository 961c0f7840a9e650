# want: auth is a block
# want: vault needs an auth block
vault {
  address = "https://vault.example.com"
  auth = "token"
}
