# want: store "vault" is declared twice
vault {
  address = "https://vault.example.com:8200"
  auth "token" {
    token = env("T")
  }
}
store "vault" {}
store "vault" {}
