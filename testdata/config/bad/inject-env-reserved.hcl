# want: inject_env may not name DYLD_LIBRARY_PATH: programs obey it, and print it in errors
# want: inject_env may not name HOME: programs obey it, and print it in errors
# want: inject_env may not name LD_PRELOAD: programs obey it, and print it in errors
# want: inject_env may not name NODE_OPTIONS: programs obey it, and print it in errors
# want: inject_env may not name PATH: programs obey it, and print it in errors
# want: inject_env may not name PYTHONPATH: programs obey it, and print it in errors
# want: inject_env may not name SHELL: programs obey it, and print it in errors
# want: inject_env may not name https_proxy: programs obey it, and print it in errors
server "search" {
  command    = "uvx"
  inject_env = ["PATH", "HOME", "SHELL", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "NODE_OPTIONS", "PYTHONPATH", "https_proxy"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
