# want: HTTPS is required for address: secrets and tokens would cross the network in clear
vault {
  address = "http://vault.example.com:8200"
  auth "token" {
    token = env("T")
  }
}
