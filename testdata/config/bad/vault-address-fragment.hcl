# want: address may not have a fragment
vault {
  address = "https://vault.example.com/#a"
  auth "token" {
    token = env("T")
  }
}
