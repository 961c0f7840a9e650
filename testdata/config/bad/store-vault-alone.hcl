# want: store "vault" needs a vault block
store "vault" {
  mount = "secret"
}
