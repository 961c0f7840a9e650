# want: mount must be a path of letters, digits and _ - . with / between its parts
# want: prefix must be a path of letters, digits and _ - . with / between its parts
vault {
  address = "https://vault.example.com:8200"
  auth "token" {
    token = env("T")
  }
}
store "vault" {
  mount = "/secret"
  prefix = "a//b"
}
