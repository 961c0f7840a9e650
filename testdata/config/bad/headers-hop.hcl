# want: headers may not name Expect
# want: headers may not name Keep-Alive
# want: headers may not name Proxy-Authorization
# want: headers may not name TE
# want: headers may not name Trailer
# want: headers may not name upgrade
server "tickets" {
  url     = "https://mcp.example.com/mcp"
  headers = { upgrade = "a", TE = "a", Trailer = "a", Expect = "a", Proxy-Authorization = "a", Keep-Alive = "a" }
}
