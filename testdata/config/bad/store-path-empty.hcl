# want: path cannot be empty
store "file" {
  path = ""
}
