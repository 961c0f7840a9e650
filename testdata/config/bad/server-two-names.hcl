# want: too many names before the block
server "a" "b" {
  command = "a"
}
