# want: OAUTH_AUTHORIZATION_PARAMS may not name Redirect_URI
# want: OAUTH_AUTHORIZATION_PARAMS may not name audience
# want: OAUTH_AUTHORIZATION_PARAMS may not name code_challenge
# want: OAUTH_AUTHORIZATION_PARAMS may not name response_type
# want: OAUTH_AUTHORIZATION_PARAMS may not name scope
# want: OAUTH_AUTHORIZATION_PARAMS may not name state
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_AUTHORIZATION_PARAMS = { response_type = "token", Redirect_URI = "x", state = "s", scope = "a", code_challenge = "c", audience = "a", access_type = "offline" }
  }
}
