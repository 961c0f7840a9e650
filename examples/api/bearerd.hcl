# For guide.sh: the REST API and the page at http://127.0.0.1:7412, and no server yet.
# What the API makes is written to conf_dir, one file for each server. A configuration folder needs no conf_dir.

admin {
  conf_dir = "~/.config/bearerd/conf.d"

  # An MCP server or a provider at a private address is used if it is listed.
  # allow_private = ["127.0.0.1", "10.1.0.0/16"]
}
