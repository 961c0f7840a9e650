# want: vault needs an auth block
vault {
  address = "https://vault.example.com:8200"
}
