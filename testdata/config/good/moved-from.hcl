server "search" {
  command    = "uvx"
  moved_from = "find"
}
