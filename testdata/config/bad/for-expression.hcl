# want: for expressions are not accepted here
server "x" {
  command = "a"
  args    = [for a in [1, 2] : a]
}
