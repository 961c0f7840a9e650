# want: syntax error: unclosed configuration block
server "x" {
  command = "a"
