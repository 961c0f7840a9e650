# want: the block has no name
# want: vault needs an auth block
vault {
  address = "https://vault.example.com"
  auth {
    token = env("T")
  }
}
