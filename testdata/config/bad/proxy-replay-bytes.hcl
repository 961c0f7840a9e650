# want: replay_bytes (2097152) is more than max_body_bytes (1048576): no body is as large
proxy {
  max_body_bytes = 1048576
  replay_bytes   = 2097152
}
