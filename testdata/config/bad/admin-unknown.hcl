# want: unknown attribute "allow_remote"
admin {
  allow_remote = true
}
