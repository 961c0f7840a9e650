# want: unknown store "vault"
store "vault" {
  mount = "secret"
}
