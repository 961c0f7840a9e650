# want: identity must be file(…) or credential(…)
store "file" {
  identity = "AGE-SECRET-KEY-1"
}
