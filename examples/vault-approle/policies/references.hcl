# What vault("mcp/…", "FIELD") needs in the KV v2 engine at secret/. bearerd looks at no other path for it.

path "secret/data/mcp/*" {
  capabilities = ["read"]
}
