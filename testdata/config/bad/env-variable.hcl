# want: env is read as the name of a variable, and there are none
server "x" {
  command = "a"
  env     = { API_KEY = word }
}
