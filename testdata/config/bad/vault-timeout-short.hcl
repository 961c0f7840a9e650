# want: timeout must be a duration from 1 second to 1 minute, such as "2s"
vault {
  address = "https://vault.example.com:8200"
  timeout = "500ms"
  auth "token" {
    token = env("T")
  }
}
