# want: args cannot hold a secret reference
vault {
  address = "https://vault.example.com:8200"
  auth "token" {
    token = env("T")
  }
}
server "s" {
  command = "a"
  args = [vault("a", "b")]
}
