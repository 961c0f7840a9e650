# want: HTTPS is required for public_url: authorization codes would cross the network in clear
admin {
  public_url = "http://bearerd.example.com:8080"
}
