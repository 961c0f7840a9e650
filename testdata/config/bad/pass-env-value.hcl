# want: pass_env: "API_KEY=…" is no name of an environment variable
server "x" {
  command  = "a"
  pass_env = ["API_KEY=value"]
}
