# want: public_url may not have a path or a query
admin {
  public_url = "https://bearerd.example.com/mcp"
}
