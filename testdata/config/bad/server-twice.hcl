# want: server "X" is declared twice
server "x" {
  command = "a"
}
server "X" {
  command = "b"
}
