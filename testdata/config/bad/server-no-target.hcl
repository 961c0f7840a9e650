# want: the server needs command or url
server "x" {}
