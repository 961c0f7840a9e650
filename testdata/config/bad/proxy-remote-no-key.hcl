# want: allow_remote = true needs local_auth = "key"
proxy {
  listen       = "0.0.0.0:7411"
  allow_remote = true
  local_auth   = "none"
}
