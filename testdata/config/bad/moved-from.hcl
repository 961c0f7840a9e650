# want: moved_from is no server name
# want: moved_from is the server's own name
# want: moved_from names server "plain", which is still there
# want: moved_from of server "first" names the same server
server "plain" {
  command = "uvx"
}
server "bad" {
  command    = "uvx"
  moved_from = "no name"
}
server "own" {
  command    = "uvx"
  moved_from = "Own"
}
server "there" {
  command    = "uvx"
  moved_from = "PLAIN"
}
server "first" {
  command    = "uvx"
  moved_from = "old"
}
server "second" {
  command    = "uvx"
  moved_from = "OLD"
}
