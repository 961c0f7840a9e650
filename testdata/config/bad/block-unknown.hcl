# want: unknown block "consul"
consul {
  address = "https://consul.example.com"
}
