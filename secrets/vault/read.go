package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/vault/api"
)

// Read returns a field of the newest version of the secret at path, in the KV v2 engine at the connection's mount. A
// number or a boolean is returned as text. The error names mount, path and field; it is secrets.ErrNotFound when one of
// them is absent, secrets.ErrUnavailable in an outage, secrets.ErrDenied when a policy or the login forbids it.
func (c *Client) Read(ctx context.Context, path, field string) (string, error) {
	path = strings.Trim(path, "/")
	if slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "" || s == "." || s == ".." }) {
		return "", fmt.Errorf("the path %q has an empty part, or one of dots", path)
	}
	answer, err := c.get(ctx, c.conn.Mount, path)
	if err != nil {
		return "", err
	}
	data, _ := answer.Data["data"].(map[string]any)
	value, ok := data[field]
	switch {
	case len(answer.Data) == 0:
		return "", notFound("the engine %q of Vault at %s has no secret at %q: write it with `vault kv put -mount=%s %s %s=…`",
			c.conn.Mount, c.conn.Address, path, c.conn.Mount, path, field)
	case data == nil:
		return "", notFound("the newest version of the secret at %q, in the engine %q of Vault at %s, has been deleted: write a "+
			"new one, or undelete it", path, c.conn.Mount, c.conn.Address)
	case !ok:
		return "", notFound("the secret at %q, in the engine %q of Vault at %s, has no field %q", path, c.conn.Mount,
			c.conn.Address, field)
	}
	switch v := value.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", fmt.Errorf("the field %q of the secret at %q, in the engine %q of Vault at %s, is no text, number or boolean",
		field, path, c.conn.Mount, c.conn.Address)
}

// get reads the newest version at path. Where there is none, Data of the answer is empty; where it was deleted, Data has
// no "data" but still "metadata".
func (c *Client) get(ctx context.Context, mount, path string) (*api.Secret, error) {
	if err := c.verified(ctx, mount); err != nil {
		return nil, err
	}
	full := mount + "/data/" + path
	answer, err := c.do(ctx, request{full, "read", func(ctx context.Context, v *api.Logical) (*api.Secret, error) {
		return v.ReadWithContext(ctx, full)
	}})
	if answer == nil {
		answer = &api.Secret{}
	}
	return answer, err
}

// Verify asks Vault whether mount is a KV v2 engine, and refuses anything else by name with ErrEngine: a KV v1 engine would
// ignore check-and-set without a word.
func (c *Client) Verify(ctx context.Context, mount string) error {
	mount = strings.Trim(mount, "/")
	full := "sys/internal/ui/mounts/" + mount
	answer, err := c.do(ctx, request{full, "read", func(ctx context.Context, v *api.Logical) (*api.Secret, error) {
		return v.ReadWithContext(ctx, full)
	}})
	if f, ok := errors.AsType[*fault](err); ok && f.policy {
		return denied("Vault at %s shows no engine at %q: there is none, or no policy of this login gives anything below it, "+
			"such as path \"%s/data/…\" { capabilities = [\"read\"] }", c.conn.Address, mount, mount)
	}
	if err != nil {
		return err
	}
	kind, at := text(answer, "type"), strings.Trim(text(answer, "path"), "/")
	options, _ := answer.Data["options"].(map[string]any)
	version, _ := options["version"].(string)
	switch {
	case kind == "kv" && version == "2" && at == mount:
		return nil
	case kind == "kv" && version == "2":
		return wrongEngine("Vault at %s has no engine at %q, it has one at %q: write that as mount, and the rest into the path or "+
			"prefix", c.conn.Address, mount, at)
	case kind == "kv", kind == "generic":
		return wrongEngine("the engine %q of Vault at %s is KV version 1, which has no versions and no check-and-set: use a KV v2 "+
			"engine, or upgrade it with `vault kv enable-versioning %s`", at, c.conn.Address, at)
	}
	return wrongEngine("the engine %q of Vault at %s is of the kind %q: write the mount of a KV v2 engine", at, c.conn.Address, kind)
}

// verified is Verify, until it has succeeded once for the mount.
func (c *Client) verified(ctx context.Context, mount string) error {
	c.mu.Lock()
	done := c.mounts[mount]
	c.mu.Unlock()
	if done {
		return nil
	}
	if err := c.Verify(ctx, mount); err != nil {
		return err
	}
	c.mu.Lock()
	c.mounts[mount] = true
	c.mu.Unlock()
	return nil
}
