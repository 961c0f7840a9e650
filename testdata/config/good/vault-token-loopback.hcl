vault {
  address = "http://127.0.0.1:8200"
  auth "token" {
    token = env("T")
  }
}
