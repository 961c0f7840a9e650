# want: fast_path must be true or false, not a string
# want: idle_timeout must be a duration such as "2s", not a number
# want: max_body_bytes must be a whole number, not a string
# want: max_connections must be a whole number
proxy {
  fast_path       = "off"
  max_body_bytes  = "64M"
  max_connections = 16.5
  idle_timeout    = 120
}
