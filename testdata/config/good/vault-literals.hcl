# warn: secret_id is written into the configuration
vault {
  address = "https://vault.example.com:8200"
  auth "approle" {
    role_id = "5f8e"
    secret_id = "hunter2-hunter2"
  }
}
