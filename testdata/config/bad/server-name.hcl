# want: "-x y" is no server name
server "-x y" {
  command = "a"
}
