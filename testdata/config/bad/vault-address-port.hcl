# want: address has a port that does not exist
vault {
  address = "https://vault.example.com:82000"
  auth "token" {
    token = env("T")
  }
}
