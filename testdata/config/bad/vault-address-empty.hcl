# want: address is required and cannot be empty
vault {
  address = ""
  auth "token" {
    token = env("T")
  }
}
