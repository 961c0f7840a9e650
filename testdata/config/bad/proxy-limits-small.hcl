# want: head_timeout must be a duration from 1 second to 10 minutes, such as "2s"
# want: max_answer_head_bytes must be from 4096 to 16777216
# want: max_body_bytes must be from 4096 to 1073741824
# want: max_connections must be from 16 to 1000000
# want: max_head_bytes must be from 4096 to 1048576
# want: replay_bytes must be from 0 to 67108864
proxy {
  max_connections       = 15
  max_head_bytes        = 4095
  max_body_bytes        = 4095
  max_answer_head_bytes = 4095
  replay_bytes          = -1
  head_timeout          = "999ms"
}
