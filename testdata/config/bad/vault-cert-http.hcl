# want: auth "cert" needs an https address
# want: client_cert_path is required for a client certificate
# want: client_key_path is required for a client certificate
vault {
  address = "http://127.0.0.1:8200"
  auth "cert" {
  }
}
