# want: command cannot be empty
server "x" {
  command = ""
}
