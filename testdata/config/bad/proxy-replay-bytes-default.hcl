# want: replay_bytes (4194304) is more than max_body_bytes (1048576): no body is as large
proxy {
  max_body_bytes = 1048576
}
