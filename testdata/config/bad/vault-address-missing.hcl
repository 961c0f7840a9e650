# want: address is required and cannot be empty
vault {
  auth "token" {
    token = env("T")
  }
}
