# want: conf_dir cannot be empty
admin {
  conf_dir = ""
}
