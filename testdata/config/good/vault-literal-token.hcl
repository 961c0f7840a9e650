# warn: token is written into the configuration
vault {
  address = "https://vault.example.com:8200"
  auth "token" {
    token = "hunter2-hunter2"
  }
}
store "vault" {}
