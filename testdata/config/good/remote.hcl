# warn: allow_remote is on: keys and answers cross the network in plain http
# warn: allow_remote is on: keys and answers cross the network in plain http
proxy {
  listen       = "0.0.0.0:7411"
  allow_remote = true
  allow_hosts  = ["mcp.internal"]
}

server "tickets" {
  url          = "https://mcp.example.com/mcp"
  listen       = "192.0.2.1:8001"
  allow_remote = true
}
