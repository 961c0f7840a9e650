# want: public_url must start with https://, or with http:// on loopback
admin {
  public_url = ""
}
