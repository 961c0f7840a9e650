# want: %{ begins a directive, and there are none here
server "x" {
  command = "a"
  args    = ["%{for a in [1]}x%{endfor}"]
}
