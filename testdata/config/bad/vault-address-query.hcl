# want: address may not have a query
vault {
  address = "https://vault.example.com/?a=b"
  auth "token" {
    token = env("T")
  }
}
