# want: local_auth must be one of key, none
proxy {
  local_auth = "password"
}
