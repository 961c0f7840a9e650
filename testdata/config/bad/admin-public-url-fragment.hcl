# want: public_url may not have a fragment
admin {
  public_url = "https://bearerd.example.com#"
}
