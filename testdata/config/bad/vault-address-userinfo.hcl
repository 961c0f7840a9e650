# want: address may not hold a user name or password
vault {
  address = "https://u:p@vault.example.com"
  auth "token" {
    token = env("T")
  }
}
