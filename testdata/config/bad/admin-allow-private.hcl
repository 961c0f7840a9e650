# want: allow_private may not name 169.254.169.254: bearerd never connects to such an address
# want: allow_private: "10.0.0.0/99" is no host name, address or network
admin {
  allow_private = ["169.254.169.254", "10.0.0.0/99", "10.1.0.0/16", "localhost"]
}
