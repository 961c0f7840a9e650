# want: unknown block "servr"
servr "x" {}
