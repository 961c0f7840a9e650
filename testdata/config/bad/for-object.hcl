# want: for expressions are not accepted here
server "x" {
  command = "a"
  env     = { # why
    for a in [1, 2] : a => a
  }
}
