# want: public_url may not hold a user name or password
admin {
  public_url = "https://user:password@bearerd.example.com"
}
