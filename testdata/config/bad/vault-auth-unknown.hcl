# want: unknown auth method "ldap"
vault {
  address = "https://vault.example.com:8200"
  auth "ldap" {
  }
}
