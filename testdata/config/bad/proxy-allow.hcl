# want: allow_hosts holds host names, with a port or without
# want: allow_origins holds origins: SCHEME://HOST or SCHEME://HOST:PORT
proxy {
  allow_hosts   = ["*"]
  allow_origins = ["https://a.example.com/x"]
}
