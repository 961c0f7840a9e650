# want: the block has no name
server {
  command = "a"
}
