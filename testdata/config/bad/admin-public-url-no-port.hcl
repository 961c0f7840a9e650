# want: public_url needs a port
admin {
  public_url = "http://localhost"
}
