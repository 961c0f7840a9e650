# want: timeout must be a duration such as "2s", not a number
vault {
  address = "https://vault.example.com:8200"
  timeout = 20
  auth "token" {
    token = env("T")
  }
}
