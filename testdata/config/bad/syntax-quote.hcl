# want: syntax error: invalid multi-line string
server "x" {
  command = "a
}
