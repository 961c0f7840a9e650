# want: unknown store "redis"
store "redis" {
  mount = "secret"
}
