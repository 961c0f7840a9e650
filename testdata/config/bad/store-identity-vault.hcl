# want: identity must be file(…) or credential(…)
vault {
  address = "https://vault.example.com:8200"
  auth "token" {
    token = env("T")
  }
}
store "file" {
  identity = vault("a", "b")
}
