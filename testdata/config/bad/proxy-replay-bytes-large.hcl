# want: replay_bytes must be from 0 to 67108864
proxy {
  replay_bytes = 67108865
}
