# want: identity must be file(…) or credential(…)
store "file" {
  identity = env("AGE_KEY")
}
