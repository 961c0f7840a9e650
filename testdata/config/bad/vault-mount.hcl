# want: mount must be a path of letters, digits and _ - . with / between its parts
vault {
  address = "https://vault.example.com:8200"
  mount = "kv/"
  auth "token" {
    token = env("T")
  }
}
