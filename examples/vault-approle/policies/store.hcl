# What store "vault" needs with the prefix bearerd in the KV v2 engine at secret/.

# The records and the values of `bearerd secret`: read, and written with check-and-set.
path "secret/data/bearerd/*" {
  capabilities = ["create", "read", "update"]
}

# create and update: that two versions are kept, and that no write goes without check-and-set.
# list and delete: `bearerd secret list` and `bearerd secret rm`.
path "secret/metadata/bearerd/*" {
  capabilities = ["create", "update", "list", "delete"]
}
